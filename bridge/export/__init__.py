"""Tables as files: what `particle-bridge` does."""
