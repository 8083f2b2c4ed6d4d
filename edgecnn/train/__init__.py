"""Training: data, augmentation, the loop, and checkpoints that go on where they were cut off."""
