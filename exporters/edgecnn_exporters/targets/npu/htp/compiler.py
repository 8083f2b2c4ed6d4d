"""Qualcomm HTP: a QNN context binary for each architecture, answered by Qualcomm's own simulator.

The graph that QNN compiles has uint8 inputs and outputs: the integers that enter the NPU are then
those of every other engine, where a float input is quantised by the NPU, which rounds otherwise.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import (
    Compiled,
    IntegerNetwork,
    OnCpu,
    Proof,
    Settings,
)
from edgecnn_exporters.targets.npu.htp.context_model import read_context_model
from edgecnn_exporters.targets.npu.htp.proof import WORKER, prove_context
from edgecnn_exporters.targets.npu.htp.toolchain import QNN
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_exporters.targets.worker_process import run_worker
from edgecnn_runtime.manifest import Artefact

FORMAT = "qnn-context"
WRAPPER = "model.onnx"
CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
# The longest preparation, the fastest graph.
OPTIMISATION = ("htp_graph_finalization_optimization_mode", "3")


class HtpCompiler:
    """``npu/TARGET/model.onnx`` with a context binary beside it, for ONNX Runtime on the device."""

    family: ClassVar[str] = "htp"
    toolchains: ClassVar[tuple[Toolchain, ...]] = (QNN,)

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        """Compile the network for an architecture of HTP, or for a chip.

        Raises:
            CompilerMissing, LicenceNotAccepted: as `Toolchain.check` says.
            CompilerFailed: QNN refused the network for another reason than an operator, crashed, or
                compiled for another architecture.
        """
        from edgecnn_exporters.targets.npu.htp.depthwise import widen_windows

        version = QNN.check(settings.licences)
        folder = settings.folder / f"compile-{profile.name}"
        folder.mkdir(parents=True)
        graph = folder / "network.onnx"
        graph.write_bytes(widen_windows(network.onnx_uint8))
        task = {"job": "compile", "graph": str(graph), "options": _options(profile)}
        started = time.perf_counter()
        result = run_worker(f"QNN for {profile.name}", QNN, WORKER, task, folder, settings.log)
        seconds = time.perf_counter() - started
        on_cpu = _on_cpu(result["refused"])
        _check_split(result, on_cpu, profile, settings)
        _check_architecture(result, profile)
        files, sdk = _shipped(Path(result["folder"]), f"npu/{profile.name}")
        compiler = f"{QNN.name} {version}, QNN {sdk}"
        artefact = _artefact(network, profile, files, compiler, on_cpu)
        return Compiled(artefact, files, _report(result, files), seconds, on_cpu)

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        """Load the shipped files into Qualcomm's simulator; raises as `prove_context` says."""
        return prove_context(network, artefact, files, settings)


def _artefact(
    network: IntegerNetwork,
    profile: TargetProfile,
    files: Mapping[str, bytes],
    compiler: str,
    on_cpu: Sequence[OnCpu],
) -> Artefact:
    path, *companions = files
    return Artefact(
        path,
        FORMAT,
        "int8",
        proof="simulated",
        compiler=compiler,
        encodings=dict(network.uint8),
        target=profile.name,
        flags=tuple(f"{name}={value}" for name, value in _options(profile).items()),
        on_cpu=dict(Counter(each.operator for each in on_cpu)),
        companions=tuple(companions),
        report=f"npu/{profile.name}/report.json",
    )


def _report(result: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "compiled_for": result["targets"],
        "qnn_operators": result["operators"],
        "onnxruntime": result["onnxruntime"],
        "bytes": {path: len(content) for path, content in files.items()},
    }


def _options(profile: TargetProfile) -> dict[str, str]:
    """Options of QNN's execution provider that a profile sets."""
    names = ("htp_arch", "soc_model")
    chosen = {name: str(profile.settings[name]) for name in names if name in profile.settings}
    return {**chosen, OPTIMISATION[0]: OPTIMISATION[1]}


def _check_split(
    result: Mapping[str, Any],
    on_cpu: tuple[OnCpu, ...],
    profile: TargetProfile,
    settings: Settings,
) -> None:
    """Refuse a network that ONNX Runtime cannot split into parts for the NPU and for the CPU."""
    if "unsplit" not in result:
        return
    first, *others = on_cpu
    more = f" and {len(others)} more" if others else ""
    raise CompilerFailed(
        f"QNN for {profile.name} refuses {first.node} ({first.operator}){more}: {first.reason}; "
        f"{first.fix}; nor can the network be split ({result['unsplit']}); its messages are in "
        f"{settings.log}"
    )


def _check_architecture(result: Mapping[str, Any], profile: TargetProfile) -> None:
    # QNN takes an architecture that it does not know for the oldest, without a word.
    expected = f"V{profile.settings['htp_arch']}"
    found = [str(each.get("htp_arch")).upper() for each in result["targets"]]
    if found != [expected]:
        named = ", ".join(filter(None, found)) or "an architecture that it does not name"
        raise CompilerFailed(
            f"QNN compiled for {named}, expected {expected}; a newer {QNN.name} may know it: "
            f"{QNN.install} --upgrade"
        )


def _shipped(folder: Path, where: str) -> tuple[dict[str, bytes], str]:
    """The wrapper, then the files that it refers to, by path in the bundle; version of QNN."""
    wrapper = (folder / WRAPPER).read_bytes()
    read = read_context_model(wrapper, WRAPPER)
    files = {f"{where}/{WRAPPER}": wrapper}
    for name in read.binaries:
        files[f"{where}/{name}"] = (folder / name).read_bytes()
    return files, read.sdk


def _on_cpu(refused: Sequence[Mapping[str, str]]) -> tuple[OnCpu, ...]:
    """The operators that QNN refused; the conversions around them only where nothing else was."""
    operators = [each for each in refused if each["operator"] not in CONVERSIONS]
    return tuple(_left(each) for each in operators or refused)


def _left(refused: Mapping[str, str]) -> OnCpu:
    operator, reason = refused["operator"], refused["reason"]
    if "backendValidateOpConfig" in reason:
        fix = "HTP has no kernel of it for these types: give its result an 8-bit encoding"
    else:
        fix = f"replace {operator} in the network by operators that docs/npu/htp.md lists"
    return OnCpu(refused["node"], operator, reason, fix)
