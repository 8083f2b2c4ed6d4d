"""Quantisation steps: equalisation, bias correction, adaptive rounding, mixed precision."""
