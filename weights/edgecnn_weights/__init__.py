"""Trained checkpoints, found by `edgecnn.model.weights`; docs/checkpoints.md says what they are."""
