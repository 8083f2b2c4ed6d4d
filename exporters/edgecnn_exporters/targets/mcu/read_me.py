"""README of a firmware folder: what it holds, how it is built, and what it needs."""

from __future__ import annotations

from importlib import resources

from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork
from edgecnn_runtime.printable import printable

_IMAGE = """\
Your own program calls `network::InputFromPixels` with an image of `kHeight` × `kWidth` pixels in
the order `kColour`. Resize and crop as the constants say: another filter or crop costs accuracy."""
_ARRAYS = """\
Your own program fills the inputs with `round(real / scale) + zero_point`, from -128 to 127;
`network::kInputs` has scale and zero point."""


def read_me(network: IntegerNetwork, compiled: Compiled) -> str:
    """The README's text. The network's name, anyone's text, is one line of a code block."""
    report = compiled.report
    text = resources.files("edgecnn_exporters.targets.mcu") / "firmware_files" / "README.md"
    return text.read_text(encoding="utf-8").format(
        name=printable(network.about.name),
        compiler=compiled.artefact.compiler,
        model=report["model_bytes"],
        own=_ARRAYS if network.about.preprocess is None else _IMAGE,
        arena=report["arena_bytes"],
        pointer=report["pointer_bytes"],
        planned=report["planned_bytes"],
        persistent=report["persistent_bytes"],
        operators=", ".join(f"{name} ({n})" for name, n in report["operators"].items()),
    )
