"""Finding where an artefact begins to differ from the network that it was made from."""
