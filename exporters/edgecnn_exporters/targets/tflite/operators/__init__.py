"""How each ONNX operator is written in TFLite: a file a group, and `table` that lists them all."""
