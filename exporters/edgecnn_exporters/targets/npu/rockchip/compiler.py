"""Rockchip: an ``.rknn`` file with the graph's own scales, and the toolkit's simulator.

The simulator computes the graph that the toolkit built; it loads no ``.rknn`` file. So a proof
builds again, simulates that, and reads of the shipped file that its inputs and outputs have the
scales of the graph.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing
from edgecnn_exporters.targets.compilers import (
    Compiled,
    IntegerNetwork,
    OnCpu,
    Proof,
    Settings,
)
from edgecnn_exporters.targets.integer_proof import other_encodings
from edgecnn_exporters.targets.npu.agreement import judge
from edgecnn_exporters.targets.npu.rockchip.rknn_file import check_scales, read_rknn
from edgecnn_exporters.targets.npu.rockchip.toolchain import RKNN
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_exporters.targets.worker_process import read_outputs, run_worker, write_inputs
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.adapted import dequantise, quantise
from edgecnn_runtime.manifest import Artefact

WORKER = Path(__file__).with_name("worker.py")
FORMAT, FILE = "rknn", "model.rknn"
# That rknn-toolkit2 2.5.0 reads.
NEWEST_OPSET = 19
# Rows of the toolkit's table that are no operators of the network.
ENDS = frozenset({"InputOperator", "OutputOperator"})
# Moves no number: the runtime gives the same ones in another shape.
SHAPING = frozenset({"Reshape"})
# Of the toolkit's rewritings: fails on a Pad before a convolution, "assignment destination is
# read-only" (2.5.0); without it the NPU pads.
DISABLED = ("fuse_pad_into_conv",)


class RockchipCompiler:
    """``npu/TARGET/model.rknn``, for Rockchip's runtime on the board."""

    family: ClassVar[str] = "rockchip"
    toolchains: ClassVar[tuple[Toolchain, ...]] = (RKNN,)

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        """Compile the network for a chip.

        Raises:
            CompilerMissing: as `Toolchain.check` says.
            CompilerFailed: the toolkit refused the network, crashed, or changed a scale.
        """
        version = RKNN.check(settings.licences)
        _check_opset(network)
        started = time.perf_counter()
        folder = settings.folder / f"compile-{profile.name}"
        layers = _build(network, profile, folder, settings)["layers"]
        seconds = time.perf_counter() - started
        content = (folder / FILE).read_bytes()
        path = f"npu/{profile.name}/{FILE}"
        read = read_rknn(content, path)
        check_scales(read.encodings, network.uint8, path)
        on_cpu = tuple(_on_cpu(layers))
        artefact = Artefact(
            path,
            FORMAT,
            "int8",
            proof="simulated",
            compiler=f"{RKNN.name} {version}",
            encodings=read.encodings,
            target=profile.name,
            flags=(
                f"target_platform={profile.settings['platform']}",
                "do_quantization=False",
                f"disable_rules={','.join(DISABLED)}",
            ),
            on_cpu=dict(Counter(each.operator for each in on_cpu)),
            report=f"npu/{profile.name}/report.json",
        )
        report = {"layers": _counted(layers), "dtypes": read.dtypes, "bytes": {path: len(content)}}
        return Compiled(artefact, {path: content}, report, seconds, on_cpu, _notes(layers))

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        """Build the network again, and compare the simulator's answers.

        Raises:
            CompilerFailed: the file is no .rknn, has other scales, or the simulator crashed.
        """
        read = read_rknn(files[artefact.path], artefact.path)
        check_scales(read.encodings, network.uint8, artefact.path)
        if wrong := other_encodings(artefact, read.encodings):
            return wrong
        try:
            version = RKNN.check(settings.licences)
        except CompilerMissing as missing:
            return Proof(RKNN.name, "skipped", str(missing), artefact.proof)
        prover = f"simulator of {RKNN.name} {version}"
        if not network.examples:
            note = "the bundle has no golden example of batch 1"
            return Proof(prover, "skipped", note, artefact.proof)
        agreement = judge(network, _answers(network, read.encodings, profile, settings))
        note = (
            f"{agreement.words}; of the graph: the simulator loads no .rknn, only the ends of "
            "which were read"
        )
        if artefact.compiler != f"{RKNN.name} {version}":
            note += f"; the file was compiled with {artefact.compiler}"
        return Proof(prover, agreement.verdict, note, "simulated", agreement.simulated)


def _check_opset(network: IntegerNetwork) -> None:
    import onnx

    model = onnx.load_from_string(network.onnx_uint8)
    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    opset = max(versions, default=0)
    if opset > NEWEST_OPSET:
        raise CompilerFailed(
            f"{RKNN.name} reads opset {NEWEST_OPSET} at most, the graph of {network.about.name} "
            f"has {opset}; export it again with --opset 18"
        )


def _build(
    network: IntegerNetwork, profile: TargetProfile, folder: Path, settings: Settings
) -> dict[str, Any]:
    """The toolkit's build in `folder`, with answers where it holds inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "graph.onnx"
    graph.write_bytes(network.onnx_uint8)
    task = {
        "platform": profile.settings["platform"],
        "graph": str(graph),
        "disabled": DISABLED,
        "examples": len(network.examples),
        "inputs": [spec.name for spec in network.manifest.inputs],
        "outputs": [spec.name for spec in network.manifest.outputs],
    }
    what = f"{RKNN.name} for {profile.name}"
    return run_worker(what, RKNN, WORKER, task, folder, settings.log)


def _answers(
    network: IntegerNetwork,
    encodings: Mapping[str, tuple[float, int]],
    profile: TargetProfile,
    settings: Settings,
) -> list[dict[str, Array]]:
    """The simulator's answers to the golden examples, in float32; encodings are the file's."""
    folder = settings.folder / f"prove-{profile.name}"
    # Its integers are the file's, as uint8.
    held = {name: (scale, zero_point + 128) for name, (scale, zero_point) in encodings.items()}
    feeds = [
        {name: quantise(array, held[name], "uint8") for name, array in each.inputs.items()}
        for each in network.examples
    ]
    write_inputs(folder, feeds)
    _build(network, profile, folder, settings)
    return [
        {
            name: dequantise(array, held[name]) if array.dtype == np.uint8 else array
            for name, array in each.items()
        }
        for each in read_outputs(
            folder, len(feeds), (spec.name for spec in network.manifest.outputs)
        )
    ]


def _on_cpu(layers: list[dict[str, str]]) -> list[OnCpu]:
    return [
        _left(layer)
        for layer in layers
        if layer["target"] != "NPU" and layer["operator"] not in ENDS | SHAPING
    ]


def _left(layer: Mapping[str, str]) -> OnCpu:
    operator = layer["operator"]
    reason = f"the toolkit's table of layers places it on the {layer['target']}"
    fix = f"replace {operator} in the network by an operator of Rockchip's list for this chip"
    before, after = _channels(layer["input"]), _channels(layer["output"])
    if operator == "Pad" and before != after:
        reason += f": it pads {before} channels to {after} on one side"
        fix = (
            "pad half of them on each side, or have a multiple of 16 channels there (of 8 on "
            "RK3566 and RK3568), as a wider network has"
        )
    return OnCpu(layer["name"].partition(":")[2] or layer["name"], operator, reason, fix)


def _channels(shapes: str) -> str:
    """Of the first shape in a cell of the table, such as ``(1,16,8,8),(8),(1)``; else nothing."""
    match = re.match(r"\(\d+,(\d+)", shapes)
    return match[1] if match else ""


def _counted(layers: list[dict[str, str]]) -> dict[str, dict[str, int]]:
    """Number of layers by place and operator."""
    counts: dict[str, dict[str, int]] = {}
    for layer in layers:
        if layer["operator"] not in ENDS:
            place = counts.setdefault(layer["target"], {})
            place[layer["operator"]] = place.get(layer["operator"], 0) + 1
    return counts


def _notes(layers: list[dict[str, str]]) -> tuple[str, ...]:
    shaping = [
        layer["name"]
        for layer in layers
        if layer["target"] != "NPU" and layer["operator"] in SHAPING
    ]
    if not shaping:
        return ()
    return (f"Rockchip's runtime reshapes on the CPU, without a computation: {', '.join(shaping)}",)
