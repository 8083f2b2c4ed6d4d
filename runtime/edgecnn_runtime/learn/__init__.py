"""Learning on a device: steps of a bundle's training graph, and a bundle of what was learnt."""
