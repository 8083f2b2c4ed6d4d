"""What it costs to prepare a network's input in another way than it was trained with."""
