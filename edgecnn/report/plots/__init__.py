"""Figures drawn with matplotlib: png, svg or pdf."""
