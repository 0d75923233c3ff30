"""What a read costs, beside a plain reader in the same run: `make bench`."""
