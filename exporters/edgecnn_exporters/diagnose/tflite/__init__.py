"""Looking into a TFLite file: read as an ONNX graph, and run in pieces."""
