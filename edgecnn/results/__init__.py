"""Results of the commands as the Python API returns them: dataclasses that print, and are JSON."""
