"""Quantisation: from the canonical float graph to the QDQ graph that every runtime copies."""
