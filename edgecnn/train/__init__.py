"""Training: data, augmentation, the loop, and checkpoints to resume from."""
