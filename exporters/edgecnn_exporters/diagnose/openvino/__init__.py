"""OpenVINO files in a diagnosis: read back as an ONNX graph."""
