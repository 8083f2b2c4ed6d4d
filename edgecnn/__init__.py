"""The workstation: what a person types. The command line is `edgecnn.cli`."""
