"""Reverse-mode differentiation of a canonical ONNX graph into a training graph of plain ONNX."""
