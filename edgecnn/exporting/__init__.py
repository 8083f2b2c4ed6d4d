"""``edgecnn export``: options to a request, calibration samples, accuracy and speed of int8."""
