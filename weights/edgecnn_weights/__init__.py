"""Trained checkpoints, found by `edgecnn.weights`; docs/checkpoints.md says what they are."""
