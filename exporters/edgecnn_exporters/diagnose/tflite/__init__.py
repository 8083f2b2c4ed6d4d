"""TFLite files in a diagnosis: read back as an ONNX graph, and run node by node."""
