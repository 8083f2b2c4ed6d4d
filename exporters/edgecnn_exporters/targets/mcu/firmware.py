"""Writer of a firmware folder for TensorFlow Lite Micro: headers, an example, a README."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

from edgecnn_exporters.errors import NotQuantised
from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork
from edgecnn_exporters.targets.mcu.header import (
    MARK,
    Ends,
    golden_header,
    model_header,
    network_header,
)
from edgecnn_exporters.targets.mcu.integers import golden_integers
from edgecnn_exporters.targets.mcu.read_me import read_me
from edgecnn_exporters.targets.mcu.tensors import read_tensors
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.errors import OutputNotWritable

EXAMPLE = "main.cpp"
REPLACED = ("README.md", "golden.h", "model.h", "network.h")


def write_firmware(network: IntegerNetwork, compiled: Compiled, folder: Path) -> dict[str, int]:
    """Write the firmware folder; headers and README are replaced, an example that is there is kept.

    Returns:
        Size in bytes of each file that was written, by its path in the folder.

    Raises:
        NotQuantised: the bundle has no golden example of one image.
        OutputNotWritable: the folder takes no files, or holds others under their names.
    """
    check_folder(folder)
    files = firmware_files(network, compiled)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputNotWritable(f"cannot write the firmware to {folder}: {error}") from error
    if (folder / EXAMPLE).exists():
        # People make it their own program.
        del files[EXAMPLE]
    for name, text in files.items():
        with replace_file(folder / name) as stream:
            stream.write(text.encode())
    return {name: len(text.encode()) for name, text in files.items()}


def check_folder(folder: Path) -> None:
    """Check that no file which is not edgecnn's would be replaced.

    Raises:
        OutputNotWritable: there is one.
    """
    others = [name for name in REPLACED if not _is_own(folder / name)]
    if others:
        raise OutputNotWritable(
            f"{folder} holds {' and '.join(others)} not written by edgecnn, which a firmware "
            f"would replace; move {'it' if len(others) == 1 else 'them'}, or name another folder"
        )


def _is_own(path: Path) -> bool:
    """Whether edgecnn may write there: nothing, or a file that begins with its mark."""
    try:
        with path.open("rb") as stream:
            return MARK.encode() in stream.readline(200)
    except FileNotFoundError:
        return not path.is_symlink()
    except OSError:
        return False


def firmware_files(network: IntegerNetwork, compiled: Compiled) -> dict[str, str]:
    """The firmware's files by name.

    Raises:
        NotQuantised: the bundle has no golden example of one image.
    """
    if not network.examples:
        raise NotQuantised(
            f"{network.about.name} has no golden example of one image, which a firmware checks "
            "itself with; export it again"
        )
    model = compiled.files[compiled.artefact.path]
    tensors = read_tensors(model)
    golden = golden_integers(replace(network, examples=network.examples[:1]))
    inputs = [golden.inputs[0][name] for name in tensors.inputs]
    outputs = [golden.outputs[0][name] for name in tensors.outputs]
    report = compiled.report
    ends = Ends(tensors, compiled.artefact.encodings)
    example = resources.files("edgecnn_exporters.targets.mcu") / "firmware_files" / EXAMPLE
    return {
        "README.md": read_me(network, compiled),
        "golden.h": golden_header(inputs, outputs),
        EXAMPLE: example.read_text(encoding="utf-8"),
        "model.h": model_header(model),
        "network.h": network_header(network, ends, report["arena_bytes"], report["resolver"]),
    }
