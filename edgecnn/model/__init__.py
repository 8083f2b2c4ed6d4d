"""MODEL as the user types it: zoo networks, checkpoints, factories, ONNX files, and weights."""
