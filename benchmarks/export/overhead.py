"""`edgecnn export mobilenet_v2`, verification included, beside a bare torch.onnx.export.

Both are whole processes, from interpreter start to the file on disk, with the same weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.interleave import interleave, process_seconds, report
from edgecnn.fetch import fetch

BARE = """
import sys, torch
from edgecnn.zoo.mobilenet_v2 import mobilenet_v2
network = mobilenet_v2().eval()
network.load_state_dict(torch.load(sys.argv[1], weights_only=True))
torch.onnx.export(
    network, (torch.randn(2, 3, 224, 224),), sys.argv[2], dynamo=True, opset_version=18,
    dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), external_data=False, verbose=False,
)
"""

PEER = "bare torch.onnx.export"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    weights = str(fetch("mobilenet_v2-imagenet"))
    edgecnn = str(Path(sys.executable).with_name("edgecnn"))
    with tempfile.TemporaryDirectory() as folder:
        ours = [edgecnn, "export", "mobilenet_v2", "-q", "-o", f"{folder}/ours.edge"]
        bare = [sys.executable, "-c", BARE, weights, f"{folder}/bare.onnx"]
        process_seconds(bare)  # once for the disk cache, not counted
        samples = interleave(
            {
                "edgecnn export": lambda: process_seconds(ours),
                PEER: lambda: process_seconds(bare),
            },
            rounds,
        )
    report("export/overhead", "export MobileNetV2", samples, unit="s", peer=PEER)


if __name__ == "__main__":
    main()
