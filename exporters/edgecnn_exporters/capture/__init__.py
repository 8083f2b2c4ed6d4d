"""Capture of PyTorch modules and ONNX files, and the original's reference outputs."""
