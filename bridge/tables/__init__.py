"""What tables there are, and the options of a read."""
