"""Task accuracy of a bundle on labelled images, each artefact paired against float."""
