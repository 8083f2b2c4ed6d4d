"""Depth, MACs, memory and receptive fields of a network, by tracing it without arithmetic."""
