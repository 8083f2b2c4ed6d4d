"""Bundles: contents, acceptance of artefacts, and the writer of the file format."""
