"""Bundles: contents, acceptance of artefacts, provenance."""
