"""Tables as files or in a database: what `particle-bridge` does."""
