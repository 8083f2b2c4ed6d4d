"""Canaan K230: a kmodel with the graph's own scales, answered by nncase's simulator."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from edgecnn_exporters.errors import CompilerMissing
from edgecnn_exporters.targets.compilers import (
    Compiled,
    IntegerNetwork,
    OnCpu,
    Proof,
    Settings,
)
from edgecnn_exporters.targets.npu.agreement import judge
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_exporters.targets.worker_process import read_outputs, run_worker, write_inputs
from edgecnn_k230.ranges import float_graph
from edgecnn_runtime.manifest import Artefact

WORKER = Path(__file__).with_name("worker.py")
FILE = "model.kmodel"
NNCASE = Toolchain(
    name="nncase-kpu",
    purpose="compiler and simulator",
    oldest="2.11.0",
    licence="Apache-2.0",
    extra=None,
    variable="EDGECNN_NNCASE_PYTHON",
    size_mb=31,
    commands=(
        "python3 -m venv nncase && nncase/bin/pip install nncase nncase-kpu; it needs .NET 7 or "
        "newer too; then EDGECNN_NNCASE_PYTHON=nncase/bin/python"
    ),
)
# Gives the same numbers in another shape.
SHAPING = frozenset({"Reshape", "Bitcast"})


class K230Compiler:
    """``npu/k230/model.kmodel``, for nncase's runtime on the board."""

    family: ClassVar[str] = "k230"
    toolchains: ClassVar[tuple[Toolchain, ...]] = (NNCASE,)
    profiles: ClassVar[tuple[TargetProfile, ...]] = (
        TargetProfile(
            "k230",
            "k230",
            "Canaan K230, with its KPU",
            "https://github.com/kendryte/nncase/blob/master/docs/USAGE_v2_EN.md",
            ("canmv-k230",),
        ),
    )

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        """Compile the network. Raises as `Compiler.compile` says."""
        version = NNCASE.check(settings.licences)
        folder = settings.folder / "compile"
        write_inputs(folder, [example.inputs for example in network.examples[:1]])
        graph = float_graph(network.onnx)
        (folder / "graph.onnx").write_bytes(graph.model)
        (folder / "scheme.json").write_text(json.dumps(graph.scheme), encoding="utf-8")
        started = time.perf_counter()
        what = f"nncase for {profile.name}"
        result = run_worker(what, NNCASE, WORKER, {"job": "compile"}, folder, settings.log)
        seconds = time.perf_counter() - started
        content = (folder / FILE).read_bytes()
        path = f"npu/{profile.name}/{FILE}"
        counts = Counter(result["operators"])
        on_cpu = tuple(
            OnCpu(operator, operator, "nncase leaves it to the CPU")
            for operator in result["operators"]
            if not operator.startswith("GNNE") and operator not in SHAPING
        )
        artefact = Artefact(
            path,
            "kmodel",
            "int8",
            proof="simulated",
            compiler=f"{NNCASE.name} {version}",
            target=profile.name,
            flags=("quant_scheme_strict_mode",),
            report=f"npu/{profile.name}/report.json",
        )
        report = {"operators": dict(counts), "bytes": {path: len(content)}}
        return Compiled(artefact, {path: content}, report, seconds, on_cpu)

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        """Load the shipped file into nncase's simulator and compare its answers."""
        try:
            version = NNCASE.check(settings.licences)
        except CompilerMissing as missing:
            return Proof(NNCASE.name, "skipped", str(missing), artefact.proof)
        folder = settings.folder / "prove"
        write_inputs(folder, [example.inputs for example in network.examples])
        (folder / FILE).write_bytes(files[artefact.path])
        task: dict[str, Any] = {
            "job": "simulate",
            "inputs": [spec.name for spec in network.manifest.inputs],
            "outputs": [spec.name for spec in network.manifest.outputs],
        }
        run_worker(f"nncase's {profile.name}", NNCASE, WORKER, task, folder, settings.log)
        answers = read_outputs(folder, len(network.examples), task["outputs"])
        agreement = judge(network, answers)
        return Proof(
            f"simulator of {NNCASE.name} {version}",
            agreement.verdict,
            agreement.words,
            "simulated",
            agreement.simulated,
        )
