"""The program ``edgecnn``; a launcher such as torchrun wants it as ``python -m edgecnn``."""

from __future__ import annotations

# Before any other import, during which Ctrl-C would print a traceback. `signal` would import more.
import _signal  # type: ignore[import-not-found] # the part of `signal` that Python has in itself
import os

_signal.signal(_signal.SIGINT, lambda *_: os._exit(130))


def main() -> None:
    """Run the command line."""
    from edgecnn.cli import main as run

    run()


if __name__ == "__main__":
    main()
