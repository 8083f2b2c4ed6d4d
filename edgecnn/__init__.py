"""The workstation: export, verify, evaluate, bench, train. The command line is `edgecnn.cli`."""
