"""Writer of a firmware folder with a plan: the C library's source, an example, startup code."""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources
from pathlib import Path

from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork
from edgecnn_exporters.targets.mcu.folder import check_names, golden_example, write_files
from edgecnn_exporters.targets.mcu.header import MARK
from edgecnn_exporters.targets.mcu_native.compiler import input_integers, integers
from edgecnn_exporters.targets.mcu_native.headers import (
    golden_header,
    network_header,
    plan_source,
)
from edgecnn_exporters.targets.mcu_native.plan import Memory
from edgecnn_runtime.printable import printable

LIBRARY = "edgecnn"
REPLACED = ("README.md", "golden.h", "network.c", "network.h", f"{LIBRARY}/README.md")
_LIBRARY_README = f"""<!-- {MARK} -->

Source of edgecnn-native {{version}} for processors without a system: Apache-2.0, see LICENSE of the
project. edgecnn replaces this folder when it writes the firmware again.
"""


def write_firmware(network: IntegerNetwork, compiled: Compiled, folder: Path) -> dict[str, int]:
    """Write the firmware folder. The network, the library and README are replaced; the example, the
    Makefile and the board's files are kept where they are there.

    Returns:
        Size in bytes of each file that was written, by its path in the folder.

    Raises:
        NotQuantised: the bundle has no golden example of one image.
        OutputNotWritable: the folder takes no files, or holds others under their names.
    """
    check_folder(folder)
    files = firmware_files(network, compiled)
    written = write_files(folder, files, own_files())
    _remove_older(folder / LIBRARY, {folder / name for name in files})
    return written


def _remove_older(library: Path, current: Collection[Path]) -> None:
    """Remove an older library's files: the Makefile compiles all that there are."""
    for path in library.rglob("*.[ch]"):
        if path not in current:
            path.unlink()


def check_folder(folder: Path) -> None:
    """Check that no file which is not edgecnn's would be replaced.

    Raises:
        OutputNotWritable: there is one.
    """
    check_names(folder, REPLACED)


def firmware_files(network: IntegerNetwork, compiled: Compiled) -> dict[str, str]:
    """The firmware's files that are replaced, by name.

    Raises:
        NotQuantised: the bundle has no golden example of one image.
    """
    import edgecnn_native

    plan, example = compiled.files[compiled.artefact.path], golden_example(network)
    feeds, results = input_integers(network, example), integers(network, plan, example)
    with edgecnn_native.Model(plan) as model:
        inputs = [tensor.name for tensor in model.inputs]
        outputs = [tensor.name for tensor in model.outputs]
    memory = Memory(**{name: compiled.report[name] for name in Memory.__dataclass_fields__})
    library = edgecnn_native.freestanding_source()
    version = edgecnn_native.version()
    return {
        "README.md": _read_me(network, compiled, memory),
        "golden.h": golden_header([feeds[n] for n in inputs], [results[n] for n in outputs]),
        "network.c": plan_source(plan),
        "network.h": network_header(network, memory, (inputs, outputs)),
        f"{LIBRARY}/README.md": _LIBRARY_README.format(version=version),
        **{f"{LIBRARY}/{name}": text for name, text in library.items()},
    }


def own_files() -> dict[str, str]:
    """Example, Makefile and the board's files by name: people make them their own."""
    root = resources.files("edgecnn_exporters.targets.mcu_native") / "firmware_files"
    found: dict[str, str] = {}
    for folder in ("", "board/", "freestanding/"):
        for file in sorted((root / folder).iterdir(), key=lambda each: each.name):
            if file.is_file() and file.name != "README.md":
                found[folder + file.name] = file.read_text(encoding="utf-8")
    return found


def _read_me(network: IntegerNetwork, compiled: Compiled, memory: Memory) -> str:
    """The README's text. The network's name, anyone's text, is one line of a code block."""
    text = resources.files("edgecnn_exporters.targets.mcu_native") / "firmware_files/README.md"
    return text.read_text(encoding="utf-8").format(
        mark=MARK,
        name=printable(network.about.name),
        compiler=compiled.artefact.compiler,
        plan=memory.plan_bytes,
        memory=memory.memory_bytes,
        input=memory.input_bytes,
        output=memory.output_bytes,
    )
