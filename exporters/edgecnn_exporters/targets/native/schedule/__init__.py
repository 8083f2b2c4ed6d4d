"""Schedule of a plan: groups of layers, their order of rows, and memory."""
