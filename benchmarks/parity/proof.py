"""Parity of one network on every engine, as a row of networks.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.parity.answers import BATCH
from benchmarks.parity.network import build, bundles_of, export, transposes
from benchmarks.parity.rows import Job
from edgecnn.model.network import Network
from edgecnn.model.weights import RANDOM
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.verify import verify

ROOT = Path(__file__).parents[2]
ENGINE_OF = {"onnx": "onnxruntime", "openvino": "openvino", "tflite": "tflite"}


@dataclass(frozen=True)
class Place:
    """Engine and environment in which an artefact runs.

    Attributes:
        engine: as the rows call it.
        kind: the engine's name in edgecnn.
    """

    engine: str
    kind: str
    python: Path


def prove_network(job: Job, images: int, other_python: Path) -> dict[str, Any]:
    """Export the network and run every artefact in every engine.

    Args:
        images: test images at most that a trained network is asked about.
        other_python: of an environment with tflite-runtime; left out where there is none.
    """
    network = build(job)
    precisions = {"fp16"} if job.weights == RANDOM else {"fp16", "int8"}
    row: dict[str, Any] = {"transposes": 0, "refused": {}, "proofs": []}
    for targets in bundles_of(network):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.edge"
            exported, refused = export(network, targets, precisions, path)
            row["batches"] = exported.manifest.provenance["batches"]
            row["transposes"] += transposes(exported)
            row["refused"] |= refused
            known = {(proof["artefact"], proof["engine"]) for proof in row["proofs"]}
            proofs = [*proofs_here(path), *proofs_there(path, other_python)]
            # ONNX is in every bundle.
            row["proofs"] += [p for p in proofs if (p["artefact"], p["engine"]) not in known]
            if job.weights != RANDOM:
                row["answers"] = list(compare_answers(network, path, images, other_python))
    return row


def proofs_here(path: Path) -> Iterator[dict[str, Any]]:
    """Results of `edgecnn verify` in this environment."""
    with Bundle(path) as bundle:
        for row in verify(bundle, ("onnxruntime", "openvino", "tflite"), isolated=True):
            name = "" if row.engine is None else row.engine.name
            engine = "litert" if name == "tflite" else name
            difference = None if row.difference is None else vars(row.difference)
            yield _proof(engine, vars(row) | {"difference": difference})


def proofs_there(path: Path, python: Path) -> Iterator[dict[str, Any]]:
    """The same from the device's agent in the environment of tflite-runtime."""
    if not python.exists():
        return
    with Bundle(path) as bundle:
        artefacts = [one for one in bundle.manifest.artefacts if one.format == "tflite"]
    for artefact in artefacts:
        command = [python, "-m", "edgecnn_runtime", "verify", path, "--artefact", artefact.path]
        ran = _run([*command, "--engine", "tflite"])
        if ran.returncode:
            last_line = (ran.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            note = f"exit code {ran.returncode}: {last_line}"
            row = {"subject": artefact.path, "precision": artefact.precision, "note": note}
            yield _proof("tflite-runtime", row | {"verdict": "crashed", "difference": None})
        else:
            yield _proof("tflite-runtime", json.loads(ran.stdout.splitlines()[-1]))


def _proof(engine: str, row: dict[str, Any]) -> dict[str, Any]:
    far = row["difference"] or {}
    agreed = None if not far else round(far["top1_agreement"] * far["n"])
    return {
        "artefact": row["subject"],
        "precision": row["precision"],
        "engine": engine,
        "verdict": row["verdict"],
        "relative": far.get("relative"),
        # JSON has no infinity: what is equal to the bit has no noise, and no ratio.
        "sqnr_db": None if far.get("max_abs") == 0 else far.get("sqnr_db"),
        "agreed": agreed,
        "n": far.get("n"),
        "note": row["note"],
    }


def compare_answers(
    network: Network, path: Path, images: int, other_python: Path
) -> Iterator[dict[str, Any]]:
    """Compare every engine with PyTorch and with each other, on many images."""
    inputs = test_inputs(network, images)
    expected = by_pytorch(network.module, inputs)
    with Bundle(path) as bundle:
        artefacts = bundle.manifest.artefacts
    np.save(path.with_name("inputs.npy"), inputs)
    classes: dict[tuple[str, str], Any] = {}
    for artefact in artefacts:
        for place in places(artefact, other_python):
            answers = answer(path, artefact, place)
            far = difference([(expected, answers)])
            own = classes[artefact.precision, place.engine] = answers.argmax(axis=1)
            row = {"precision": artefact.precision, "engine": place.engine, "n": far.n}
            row |= {"relative": far.relative, "sqnr_db": far.sqnr_db}
            row["agreed"] = round(far.top1_agreement * far.n)
            row["agreed_with"] = {
                engine: int((own == theirs).sum())
                for (precision, engine), theirs in classes.items()
                if precision == artefact.precision and engine != place.engine
            }
            yield row


def places(artefact: Artefact, other_python: Path) -> Iterator[Place]:
    """Every engine that opens the artefact, in every environment."""
    kind = ENGINE_OF[artefact.format]
    if engine_class(kind).is_installed():
        yield Place("litert" if kind == "tflite" else kind, kind, Path(sys.executable))
    if kind == "tflite" and other_python.exists():
        yield Place("tflite-runtime", kind, other_python)


def answer(path: Path, artefact: Artefact, place: Place) -> Float32:
    """(n, classes), of the inputs that lie beside the bundle."""
    inputs, outputs = path.with_name("inputs.npy"), path.with_name("outputs.npy")
    script = Path(__file__).with_name("answers.py")
    ran = _run([place.python, script, path, artefact.path, place.kind, inputs, outputs])
    if ran.returncode:
        raise RuntimeError(f"{artefact.path} in {place.engine}: {ran.stderr.strip()}")
    logits: Float32 = np.load(outputs)
    return logits


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """In any environment, with the runtime of this working tree."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "runtime")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_inputs(network: Network, count: int) -> Float32:
    """(n, C, H, W): what it was not trained with, nor calibrated."""
    assert network.preprocess is not None
    if network.data is None:
        from benchmarks.quantise.photographs import labelled

        return np.concatenate([preprocess(one.image, network.preprocess) for one in labelled()])
    from edgecnn.data import load

    images = load(network.data, "test", quiet=True)[0][:count]
    colour = images.repeat(3, axis=-1) if images.shape[-1] == 1 else images
    return np.concatenate([preprocess(image, network.preprocess) for image in colour])


def by_pytorch(module: nn.Module, inputs: Float32) -> Float32:
    with torch.no_grad():
        parts = [
            module(torch.from_numpy(inputs[i : i + BATCH])) for i in range(0, len(inputs), BATCH)
        ]
    logits: Float32 = torch.cat(parts).numpy()
    return logits
