"""Figures of every network of the zoo, kept in a file so that a list needs no torch.

``python -m edgecnn.zoo.figures`` measures them anew and writes the file; a test compares it with
the networks.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from edgecnn.zoo import ARCHITECTURES, Architecture

FILE = "figures.json"


@dataclass(frozen=True)
class Figures:
    """One network as its paper has it, at its own input; see `Summary` in `edgecnn.zoo.analysis`.

    Attributes:
        macs: multiply-accumulates of one inference.
        depth: weighted layers on the longest path.
        receptive_field: pixels that a feature of the last map sees.
    """

    parameters: int
    macs: int
    depth: int
    receptive_field: int


def read_figures() -> dict[str, Figures]:
    """The figures by name of network, as they were last written."""
    text = (resources.files("edgecnn.zoo") / FILE).read_text(encoding="utf-8")
    return {name: Figures(**figures) for name, figures in json.loads(text).items()}


def measure(architecture: Architecture) -> Figures:
    """Build the network without memory for its weights, and count."""
    import torch

    from edgecnn.zoo.analysis.summary import summarise

    with torch.device("meta"):
        network = architecture.build()
    summary = summarise(network, architecture.input)
    return Figures(summary.parameters, summary.macs, summary.depth, summary.receptive_field)


def main() -> None:
    """Write the file anew, one network a line."""
    path = Path(__file__).with_name(FILE)
    lines = []
    for name, architecture in ARCHITECTURES.items():
        lines.append(f"{json.dumps(name)}: {json.dumps(asdict(measure(architecture)))}")
        sys.stderr.write(f"\r{len(lines)} of {len(ARCHITECTURES)}: {name:<24}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    sys.stderr.write(f"\rwrote {path}{'':<24}\n")


if __name__ == "__main__":
    main()
