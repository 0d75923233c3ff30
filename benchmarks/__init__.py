"""What a read costs, compared with a plain reader in the same run: `make bench`."""
