"""ONNX, the canonical format, as ONNX Runtime executes it."""
