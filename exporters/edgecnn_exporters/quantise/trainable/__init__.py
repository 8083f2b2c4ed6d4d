"""Differentiable execution of a quantised graph in PyTorch."""
