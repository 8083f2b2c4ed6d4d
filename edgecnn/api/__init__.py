"""Python API: `export`, `Bundle` and their arguments. The names are those of `edgecnn.__all__`."""
