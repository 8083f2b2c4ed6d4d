"""Gradients of operators whose windows slide over an image: convolutions and pools."""
