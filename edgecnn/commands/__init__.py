"""One command a file, each with a click command called `command`."""
