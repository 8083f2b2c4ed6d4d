"""Writer of a firmware folder for TensorFlow Lite Micro: headers, an example, a README."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork
from edgecnn_exporters.targets.mcu.folder import check_names, golden_example, write_files
from edgecnn_exporters.targets.mcu.header import (
    Ends,
    golden_header,
    model_header,
    network_header,
)
from edgecnn_exporters.targets.mcu.integers import golden_integers
from edgecnn_exporters.targets.mcu.read_me import read_me
from edgecnn_exporters.targets.mcu.tensors import read_tensors

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
    # People make it their own program.
    example = {EXAMPLE: files.pop(EXAMPLE)}
    return write_files(folder, files, example)


def check_folder(folder: Path) -> None:
    """Check that no file which is not edgecnn's would be replaced.

    Raises:
        OutputNotWritable: there is one.
    """
    check_names(folder, REPLACED)


def firmware_files(network: IntegerNetwork, compiled: Compiled) -> dict[str, str]:
    """The firmware's files by name.

    Raises:
        NotQuantised: the bundle has no golden example of one image.
    """
    example = golden_example(network)
    model = compiled.files[compiled.artefact.path]
    tensors = read_tensors(model)
    golden = golden_integers(replace(network, examples=(example,)))
    inputs = [golden.inputs[0][name] for name in tensors.inputs]
    outputs = [golden.outputs[0][name] for name in tensors.outputs]
    report = compiled.report
    ends = Ends(tensors, compiled.artefact.encodings)
    program = resources.files("edgecnn_exporters.targets.mcu") / "firmware_files" / EXAMPLE
    return {
        "README.md": read_me(network, compiled),
        "golden.h": golden_header(inputs, outputs),
        EXAMPLE: program.read_text(encoding="utf-8"),
        "model.h": model_header(model),
        "network.h": network_header(network, ends, report["arena_bytes"], report["resolver"]),
    }
