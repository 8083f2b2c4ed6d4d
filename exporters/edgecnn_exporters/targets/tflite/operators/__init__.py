"""Translations of ONNX operators to TFLite: a file a group, and `table` that lists them all."""
