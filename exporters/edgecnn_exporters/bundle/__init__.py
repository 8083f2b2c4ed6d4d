"""Bundles: what they hold, its acceptance test, and the writer of the file format."""
