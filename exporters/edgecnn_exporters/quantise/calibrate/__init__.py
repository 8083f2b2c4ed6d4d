"""Calibration: activation statistics of samples, and the quantisation ranges chosen from them."""
