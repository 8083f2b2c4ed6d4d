"""Networks in: PyTorch modules and ONNX files, and what the original answers to examples."""
