"""Parity: golden answers, the verdict of each artefact on each engine, each in its own process."""
