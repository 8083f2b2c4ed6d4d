"""Artefacts of a bundle in a diagnosis: which are compared, with which, and how they are opened."""
