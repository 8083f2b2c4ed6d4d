"""Learning with the training graph of a bundle, on labelled images, by the runtime alone."""
