"""Accuracy of a head learnt on the device path, beside logistic regression on the same features.

MobileNetV2 with ImageNet's weights learns the classes of a folder of photographs, a folder a class:
the last layer alone, behind an 8-bit and behind a float backbone. 15 photographs of each class are
learnt, 10 judge. The peer is scikit-learn's ``LogisticRegression`` on what the last layer reads,
standardised, its strength chosen by cross-validation among the learnt ones. It needs scikit-learn.

    python -m benchmarks.training.new_head FOLDER
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

import edgecnn
import edgecnn_runtime as edge
from benchmarks.interleave import keep
from edgecnn_runtime.arrays import Array, Float32, Int64
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.onnxruntime import import_onnxruntime, session_options
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.parity.proportion import wilson_interval

LEARNT, JUDGES = 15, 10
EPOCHS, BATCH = 30, 16
SEEDS = (0, 1)
BACKBONES = ("int8", "fp32")


@dataclass(frozen=True)
class Photographs:
    """Photographs as the network reads them: (N, 3, 224, 224), with the class of each."""

    names: tuple[str, ...]
    images: Float32
    labels: Int64
    judges: Float32
    judged: Int64


def main(folder: Path) -> None:
    """Learn and judge with every seed; print and keep the accuracies."""
    with tempfile.TemporaryDirectory() as scratch:
        bundles = {kind: export(Path(scratch), kind) for kind in BACKBONES}
        for seed in SEEDS:
            photographs = read(folder, bundles["fp32"], seed)
            for kind, bundle in bundles.items():
                show(f"{kind} backbone, seed {seed}", learn(bundle, photographs, seed, kind))
                features = features_of(bundle, kind)
                result = regression(features, photographs)
                show(f"logistic regression, {kind} features, seed {seed}", result)


def export(folder: Path, kind: str) -> Path:
    """A bundle whose head can be learnt."""
    path = folder / f"{kind}.edge"
    quantize = "int8" if kind == "int8" else None
    edgecnn.export("mobilenet_v2", output=path, quantize=quantize, learn="head")
    return path


def read(folder: Path, bundle: Path, seed: int) -> Photographs:
    """The photographs, divided by seed within each class."""
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    random = np.random.default_rng(seed)
    parts: list[list[Array]] = [[], []]
    with edge.open(bundle, engine="onnxruntime") as model:
        for name in names:
            files = sorted((folder / name).iterdir())
            chosen = [files[i] for i in random.permutation(len(files))[: LEARNT + JUDGES]]
            inputs = [model.preprocess(load_image(path))[0] for path in chosen]
            parts[0].append(np.stack(inputs[:LEARNT]))
            parts[1].append(np.stack(inputs[LEARNT:]))
    labels = [np.repeat(np.arange(len(names)), len(part[0])) for part in parts]
    images, judges = (np.concatenate(part) for part in parts)
    return Photographs(names, images, labels[0], judges, labels[1])


def learn(bundle: Path, photographs: Photographs, seed: int, kind: str) -> dict[str, object]:
    """Learn with the runtime alone; judge the artefact that an app would run."""
    saved = bundle.with_suffix(".learnt.edge")
    began = time.perf_counter()
    random = np.random.default_rng(seed)
    with edge.open(bundle, learn=True, labels=photographs.names, threads=1) as model:
        for _ in range(EPOCHS):
            order = random.permutation(len(photographs.labels))
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                loss = model.learn(photographs.images[batch], photographs.labels[batch])
        seconds = time.perf_counter() - began
        model.save(saved)
    with edge.open(saved, engine="onnxruntime", precision=kind) as model:
        name = model.manifest.inputs[0].name
        output = model.manifest.outputs[0].name
        scores = [model.run({name: image[None]})[output][0] for image in photographs.judges]
    right = int((np.argmax(scores, axis=1) == photographs.judged).sum())
    return {"right": right, "of": len(scores), "seconds": seconds, "loss": loss, "seed": seed}


def features_of(bundle: Path, kind: str) -> object:
    """A session that answers with what the last layer reads."""
    with Bundle(bundle) as opened:
        path = "model.int8.onnx" if kind == "int8" else "model.onnx"
        model = onnx.load_from_string(opened.read(path))
    head = next(node for node in reversed(model.graph.node) if node.op_type == "Gemm")
    del model.graph.output[:]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(head.input[0], onnx.TensorProto.FLOAT, None)
    )
    return import_onnxruntime().InferenceSession(model.SerializeToString(), session_options(1))


def regression(session: object, photographs: Photographs) -> dict[str, object]:
    """Logistic regression on the features of the same photographs."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    began = time.perf_counter()
    features = [
        np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])  # type: ignore[attr-defined] # an ONNX Runtime session
        for images in (photographs.images, photographs.judges)
    ]
    model = make_pipeline(StandardScaler(), LogisticRegressionCV(cv=5, max_iter=1000))
    model.fit(features[0], photographs.labels)
    right = int((model.predict(features[1]) == photographs.judged).sum())
    return {"right": right, "of": len(features[1]), "seconds": time.perf_counter() - began}


def show(what: str, result: dict[str, object]) -> None:
    """Print a result with its 95 % interval, and keep it."""
    right, total = int(str(result["right"])), int(str(result["of"]))
    low, high = wilson_interval(right, total)
    interval = f"({100 * low:.1f} to {100 * high:.1f})"
    share = 100 * right / total
    print(
        f"{what:<44}{share:5.1f} % {interval}, n = {total}, {result['seconds']:.1f} s", flush=True
    )
    keep("training/new_head", {"what": what} | result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
