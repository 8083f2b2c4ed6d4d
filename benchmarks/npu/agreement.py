"""Networks on NPUs' simulators: operators on the CPU, SQNR and classes beside the CPU's int8.

Usage: python -m benchmarks.npu.agreement [--for TARGET,…] [--images 200] [BUNDLE=DATA …]

DATA is a data set's name or a folder of photographs; the images are drawn at random, always the
same. Without bundles every shipped checkpoint is exported to 8 bits and judged by the test images
of its own data. For each network and target one row:
- operators that the compiler leaves to the CPU, and the seconds of its process;
- SQNR of the logits against the float network's, of the NPU's simulator and of the CPU's int8;
- of how many images both have the float network's class.

A simulator's seconds say nothing of the NPU's: no latency is printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.interleave import keep
from edgecnn.data.pictures import draw, find_images
from edgecnn.model.description import read_description
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.targets.compilers import Example, IntegerNetwork, Settings, compiler_of
from edgecnn_exporters.targets.npu.agreement import judge
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess

WEIGHTS = Path(__file__).parents[2] / "weights/edgecnn_weights"
TARGETS = "htp-v68,htp-v69,htp-v73,htp-v75,htp-v79,htp-v81,rk3588,rv1106"
ACCEPTED = frozenset({"onnxruntime-qnn", "rknn-toolkit2"})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundles", nargs="*", metavar="BUNDLE=DATA")
    parser.add_argument("--for", dest="targets", default=TARGETS)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    print(
        f"{'network':<28}{'target':<10}{'on CPU':>7}{'compiled':>10}{'NPU dB':>8}{'CPU dB':>8}"
        f"{'NPU top-1':>11}{'CPU top-1':>11}{'n':>5}  verdict"
    )
    with tempfile.TemporaryDirectory() as name:
        for path, data in chosen(options.bundles, Path(name)):
            with Bundle(path) as bundle:
                network = with_images(bundle, read_network(bundle), data, options.images)
            for target in options.targets.split(","):
                measure(path.stem, network, target, data)


def chosen(typed: Sequence[str], folder: Path) -> Iterator[tuple[Path, str]]:
    """Bundles and the images that judge them: those typed, or the checkpoints', exported here."""
    for pair in typed:
        path, _, data = pair.partition("=")
        yield Path(path), data
    if typed:
        return
    for checkpoint in sorted(WEIGHTS.glob("*.safetensors")):
        description = read_description(checkpoint)
        assert description is not None
        path = folder / f"{checkpoint.stem}.edge"
        words = ["export", str(checkpoint), "-o", str(path), "--quantize", "int8", "--quiet"]
        subprocess.run([sys.executable, "-m", "edgecnn", *words], check=True)
        yield path, description.data


def with_images(bundle: Bundle, network: IntegerNetwork, data: str, count: int) -> IntegerNetwork:
    """The network with images of `data` as its examples, answered by its float graph."""
    spec = network.manifest.preprocess
    assert spec is not None
    found = find_images(data, split="test", quiet=True)
    picked = [found[index] for index in draw(len(found), min(count, len(found)))]
    arrays = [load_image(each) for each in picked]
    source = network.manifest.inputs[0].name
    feeds = [{source: preprocess(array, spec)} for array in arrays]
    whole = next(
        each
        for each in network.manifest.artefacts
        if (each.format, each.precision) == ("onnx", "fp32")
    )
    expected = answers(bundle.read_artefact(whole).model, feeds)
    examples = [Example(x, y) for x, y in zip(feeds, expected, strict=True)]
    return replace(network, examples=examples, cpu_int8=answers(network.onnx, feeds))


def answers(model: bytes, feeds: Sequence[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """The outputs of an ONNX graph on the CPU, one example at a time."""
    engine = OnnxRuntimeEngine.open(model)
    try:
        return [engine.run(each) for each in feeds]
    finally:
        engine.close()


def measure(name: str, network: IntegerNetwork, target: str, data: str) -> None:
    """Compile and prove one network for one target; print and keep the row."""
    profile = target_profile(target)
    compiler = compiler_of(profile.family)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), Path(folder) / "log", ACCEPTED)
        try:
            compiled = compiler.compile(network, profile, settings)
            proof = compiler.prove(network, compiled.artefact, compiled.files, profile, settings)
        except EdgeCNNError as error:
            print(f"{name:<28}{target:<10} {error}", flush=True)
            return
    if proof.difference is None:
        print(f"{name:<28}{target:<10} {proof.note}", flush=True)
        return
    cpu = judge(network, network.cpu_int8).simulated
    n, npu = cpu.n, proof.difference
    agreed, cpus = round(npu.top1_agreement * n), round(cpu.top1_agreement * n)
    print(
        f"{name:<28}{target:<10}{len(compiled.on_cpu):>7}{compiled.seconds:>8.1f} s"
        f"{npu.sqnr_db:>8.1f}{cpu.sqnr_db:>8.1f}{agreed:>11}{cpus:>11}{n:>5}  {proof.verdict}",
        flush=True,
    )
    row = {"network": name, "target": target, "data": data, "images": n, "prover": proof.prover}
    row |= {"on_cpu": len(compiled.on_cpu), "seconds": compiled.seconds, "verdict": proof.verdict}
    row |= {"npu_db": npu.sqnr_db, "cpu_db": cpu.sqnr_db, "npu_agreed": agreed, "cpu_agreed": cpus}
    row["bytes"] = sum(map(len, compiled.files.values()))
    keep("npu/agreement", row)


if __name__ == "__main__":
    main()
