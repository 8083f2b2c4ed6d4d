"""Passes over padding: of convolutions and pools, explicit and the same for every runtime."""
