"""Firmware folders: files of others are never replaced, and what people make their own is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn_exporters.errors import NotQuantised
from edgecnn_exporters.targets.compilers import Example, IntegerNetwork
from edgecnn_exporters.targets.mcu.header import MARK
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.errors import OutputNotWritable


def golden_example(network: IntegerNetwork) -> Example:
    """The golden example that a firmware checks itself with: the first of one image.

    Raises:
        NotQuantised: the bundle has none.
    """
    if not network.examples:
        raise NotQuantised(
            f"{network.about.name} has no golden example of one image, which a firmware checks "
            "itself with; export it again"
        )
    return network.examples[0]


def check_names(folder: Path, names: Sequence[str]) -> None:
    """Check that the files of these names are edgecnn's, or not there.

    Raises:
        OutputNotWritable: one is not.
    """
    others = [name for name in names if not _is_own(folder / name)]
    if others:
        raise OutputNotWritable(
            f"{folder} holds {' and '.join(others)} not written by edgecnn, which a firmware "
            f"would replace; move {'it' if len(others) == 1 else 'them'}, or name another folder"
        )


def write_files(
    folder: Path, replaced: Mapping[str, str], kept: Mapping[str, str]
) -> dict[str, int]:
    """Write the files; those of `kept` only where they are not there.

    Returns:
        Size in bytes of each file that was written, by its path in the folder.

    Raises:
        OutputNotWritable: the folder takes no files.
    """
    written = {**replaced, **{n: text for n, text in kept.items() if not (folder / n).exists()}}
    for name, text in written.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputNotWritable(
                f"cannot write the firmware to {folder}: {error.strerror}; name another folder"
            ) from error
        with replace_file(folder / name) as stream:
            stream.write(text.encode())
    return {name: len(text.encode()) for name, text in written.items()}


def _is_own(path: Path) -> bool:
    """Whether edgecnn may write there: nothing, or a file that begins with its mark."""
    try:
        with path.open("rb") as stream:
            return MARK.encode() in stream.readline(200)
    except (FileNotFoundError, NotADirectoryError):
        return not path.is_symlink()
    except OSError:
        return False
