"""Gradients of a convolution and of a pooling by their formulas; docs/backpropagation.md."""
