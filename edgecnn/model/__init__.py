"""MODEL as a person types it: zoo networks, checkpoints, factories, ONNX files, and weights."""
