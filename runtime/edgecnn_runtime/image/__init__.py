"""Images: decoding, resizing and preprocessing into a network's input."""
