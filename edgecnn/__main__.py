"""``python -m edgecnn``: the command line, where a launcher such as torchrun wants a module."""

from __future__ import annotations

from edgecnn.cli import main

if __name__ == "__main__":
    main()
