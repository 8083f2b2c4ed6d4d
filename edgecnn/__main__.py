"""The program ``edgecnn``; a launcher such as torchrun wants it as ``python -m edgecnn``."""

# Before any other import, during which Ctrl-C would print a traceback. `signal` would import more.
import _signal  # type: ignore[import-not-found] # the part of `signal` that Python has in itself
import os
import sys

_signal.signal(_signal.SIGINT, lambda *_: os._exit(130))

if sys.version_info < (3, 11):  # noqa: UP036 # an older Python reads this file, and no further
    sys.exit(f"edgecnn needs Python 3.11 or newer, this is {sys.version.split()[0]}")


def main() -> None:
    """Run the command line."""
    from edgecnn.cli import main as run

    run()


if __name__ == "__main__":
    main()
