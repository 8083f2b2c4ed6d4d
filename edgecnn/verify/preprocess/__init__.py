"""Preprocessing certificate: the cost of preparing the input differently than in training."""
