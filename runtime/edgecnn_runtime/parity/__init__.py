"""Parity: verification of golden answers, one verdict per artefact and engine."""
