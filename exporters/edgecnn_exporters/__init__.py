"""The compiler: a trained network in, a verified bundle out. Begin with `export`."""
