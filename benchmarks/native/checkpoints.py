"""Shipped checkpoints on the native engine beside ONNX Runtime, OpenVINO and LiteRT, one thread.

Usage: taskset -c 1 python -m benchmarks.native.checkpoints [--rounds 40] [NETWORK-DATASET …]

Every network is trained, of small images, and quantised once for all engines. Printed: as by
`benchmarks.native.networks`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import edgecnn_weights

from benchmarks.native.networks import measure

CHECKPOINTS = tuple(
    sorted(path.stem for path in Path(edgecnn_weights.__file__).parent.glob("*.safetensors"))
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=CHECKPOINTS)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--block-ms", type=float, default=30)
    parser.add_argument("--bundles", type=Path, default=Path("build/native-checkpoints"))
    parser.add_argument("--export-only", action="store_true", help="time nothing")
    options = parser.parse_args()
    for name in options.names:
        path = options.bundles / f"{name}.edge"
        if not path.exists():
            export(name, path)
        if not options.export_only:
            measure(name, path, options.rounds, options.block_ms)


def export(name: str, path: Path) -> None:
    """Write the bundle of a checkpoint, `resnet20-cifar10`, in every format."""
    network, _, dataset = name.partition("-")
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "edgecnn", "export", network, "--weights", dataset]
    command += ["--quantize", "int8", "--recipe", "fast", "--batch", "1", "--no-measure"]
    for target in ("tflite", "openvino", "native"):
        command += ["--target", target]
    subprocess.run([*command, "-o", path], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
