"""Training section of a bundle: its fields, its references, its files."""
