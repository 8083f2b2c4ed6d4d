"""Proof of a QNN context: the shipped files answer the golden examples in Qualcomm's simulator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing, LicenceNotAccepted
from edgecnn_exporters.targets.compilers import IntegerNetwork, Proof, Settings
from edgecnn_exporters.targets.npu.agreement import judge
from edgecnn_exporters.targets.npu.htp.context_model import read_context_model
from edgecnn_exporters.targets.npu.htp.toolchain import QNN
from edgecnn_exporters.targets.worker_process import read_outputs, run_worker, write_inputs
from edgecnn_runtime.engines.adapted import dequantise, quantise
from edgecnn_runtime.manifest import Artefact

WORKER = Path(__file__).with_name("worker.py")


def prove_context(
    network: IntegerNetwork, artefact: Artefact, files: Mapping[str, bytes], settings: Settings
) -> Proof:
    """Load the files into the simulator and compare its answers with the float network's.

    Raises:
        ExternalData: the wrapper refers to a file outside the bundle.
        CompilerFailed: the simulator crashed, or refused files of its own version.
    """
    _check_files(network, artefact, files)
    try:
        version = QNN.check(settings.licences)
    except (CompilerMissing, LicenceNotAccepted) as missing:
        return Proof(QNN.name, "skipped", str(missing), artefact.proof)
    prover = f"HTP simulator of {QNN.name} {version}"
    if not network.examples:
        note = "the bundle has no golden example of batch 1"
        return Proof(prover, "skipped", note, artefact.proof)
    is_same = (artefact.compiler or "").startswith(f"{QNN.name} {version},")
    try:
        answers = _answers(network, artefact, files, settings)
    except CompilerFailed as failed:
        if is_same:
            raise
        note = (
            f"compiled with {artefact.compiler}, and {QNN.name} {version} here cannot load it: "
            f"install that version, or compile again ({failed})"
        )
        return Proof(prover, "skipped", note, artefact.proof)
    agreement = judge(network, answers)
    note = agreement.words + ("" if is_same else f" (compiled with {artefact.compiler})")
    return Proof(prover, agreement.verdict, note, "simulated", agreement.simulated)


def _check_files(network: IntegerNetwork, artefact: Artefact, files: Mapping[str, bytes]) -> None:
    """Refuse a wrapper that reads what the bundle does not list, and an end without encoding."""
    if lacking := set(network.uint8) - set(artefact.encodings):
        raise CompilerFailed(f"{artefact.path} has no encoding for {min(lacking)!r}; compile again")
    read = read_context_model(files[artefact.path], artefact.path)
    beside = PurePosixPath(artefact.path).parent
    listed = {path for path in artefact.companions if path in files}
    missing = [name for name in read.binaries if str(beside / name) not in listed]
    if missing:
        raise CompilerFailed(
            f"{artefact.path} reads {missing[0]!r}, which the bundle does not list among its files"
        )


def _answers(
    network: IntegerNetwork, artefact: Artefact, files: Mapping[str, bytes], settings: Settings
) -> list[dict[str, Any]]:
    """The simulator's answers to the golden examples, in float32."""
    folder = settings.folder / f"prove-{artefact.target}"
    for path in artefact.paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(files[path])
    encodings = artefact.encodings
    feeds = [
        {name: quantise(array, encodings[name], "uint8") for name, array in each.inputs.items()}
        for each in network.examples
    ]
    write_inputs(folder, feeds)
    task = {
        "job": "run",
        "wrapper": str(folder / artefact.path),
        "is_cpu_allowed": bool(artefact.on_cpu),
    }
    run_worker(f"QNN's simulator of {artefact.path}", QNN, WORKER, task, folder, settings.log)
    outputs = [spec.name for spec in network.manifest.outputs]
    return [
        {name: dequantise(each[name], encodings[name]) for name in outputs}
        for each in read_outputs(folder, len(feeds), outputs)
    ]
