"""Qualcomm's Hexagon Tensor Processor (HTP) as compile targets: QNN context binaries."""
