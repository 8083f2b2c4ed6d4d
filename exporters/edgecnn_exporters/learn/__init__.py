"""Training artefact of a bundle: training graph, its manifest section, and a golden step."""
