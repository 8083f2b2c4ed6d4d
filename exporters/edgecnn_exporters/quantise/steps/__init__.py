"""Quantisation steps: equalisation, rounding, bias correction, mixed precision."""
