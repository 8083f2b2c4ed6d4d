"""ONNX operators that become integer layers of a plan, one file a family."""
