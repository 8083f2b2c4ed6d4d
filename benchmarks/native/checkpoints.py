"""Shipped checkpoints on the native engine beside ONNX Runtime, OpenVINO and LiteRT, one thread.

Usage: taskset -c 1 python -m benchmarks.native.checkpoints [--rounds 40] [NETWORK-DATASET …]

Every network is trained, of small images, and quantised once for all engines. Printed: as by
`benchmarks.native.networks`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import edgecnn_weights

from benchmarks.native.networks import TARGETS, export_and_measure

CHECKPOINTS = tuple(
    sorted(path.stem for path in Path(edgecnn_weights.__file__).parent.glob("*.safetensors"))
)


def main() -> None:
    export_and_measure(__doc__, CHECKPOINTS, Path("build/native-checkpoints"), export)


def export(name: str, path: Path) -> None:
    """Write the bundle of a checkpoint, `resnet20-cifar10`, in every format."""
    network, _, dataset = name.partition("-")
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "edgecnn", "export", network, "--weights", dataset]
    command += ["--quantize", "int8", "--recipe", "fast", "--batch", "1", "--no-measure"]
    command += ["--target", ",".join(TARGETS)]
    subprocess.run([*command, "-o", path], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
