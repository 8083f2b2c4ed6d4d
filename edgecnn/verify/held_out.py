"""Comparison of every artefact and engine with the float graph on held-out images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from edgecnn.data.item_values import Value, is_image
from edgecnn_runtime.arrays import Floating
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import Model, adapt
from edgecnn_runtime.engines.table import REFERENCE
from edgecnn_runtime.errors import EngineError, NotAClassifier
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Artefact, Preprocess
from edgecnn_runtime.parity.difference import Answer, Difference, compare
from edgecnn_runtime.parity.isolated import verify_isolated
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.progress import Progress, no_progress

# Number of images whose outputs are compared at once.
CHUNK = 32


@dataclass(frozen=True)
class HeldOutRow:
    """Difference of an artefact on an engine from the float graph.

    Attributes:
        subject: path of the artefact.
        engine: name of the engine.
        difference: from the float graph's outputs.
        within_a_step: of one of 8 bits in another format: the share of its results that lie no
            more than one step of their encoding from what ONNX Runtime makes of the QDQ graph.
    """

    subject: str
    engine: str
    difference: Difference
    within_a_step: float | None


@dataclass(frozen=True)
class HeldOutComparison:
    """Comparison with the float graph on held-out images.

    Attributes:
        reference: path of the float graph, and its engine, in words.
        data: name of the images.
        count: number of images.
        rows: artefacts on engines.
    """

    reference: str
    data: str
    count: int
    rows: tuple[HeldOutRow, ...]


def compare_with_float(
    bundle: Bundle,
    verified: Sequence[Parity],
    images: Sequence[Value],
    data: str,
    progress: Progress = no_progress,
) -> HeldOutComparison:
    """Compare every artefact with the float graph on the same images, on engines that run it.

    Args:
        verified: result of `verify` for each artefact on each engine.
        images: or inputs as the network reads them.
        data: name of the images, for display.

    Raises:
        NotAClassifier: the bundle has no preprocessing for images, or no float ONNX graph.
        EngineError, ImageError: an engine failed, or an image cannot be read.
    """
    manifest = bundle.manifest
    artefacts = {each.path: each for each in manifest.artefacts}
    reference = _of(bundle, "fp32")
    if manifest.preprocess is None and any(map(is_image, images)):
        raise NotAClassifier(f"{manifest.name} carries no preprocessing; --data has no use for it")
    ran = [row for row in verified if row.difference is not None and row.subject in artefacts]
    pairs = [(artefacts[row.subject], row.engine.name) for row in ran if row.engine is not None]
    if (reference, REFERENCE) not in pairs:
        _check_reference(bundle, reference)
    quantised = next((a for a in manifest.artefacts if _is_onnx(a, "int8")), None)
    prepared = (_input(each, manifest.preprocess) for each in images)
    answers = _ask_all(bundle, (*pairs, (reference, REFERENCE)), prepared, progress)
    steps = {} if quantised is None else _steps(bundle.read_artefact(quantised).model)
    expected = answers[reference.path, REFERENCE]
    rows = []
    for artefact, engine in pairs:
        actual = answers[artefact.path, engine]
        base = None if quantised is None else answers.get((quantised.path, REFERENCE))
        is_copy = artefact.precision == "int8" and artefact is not quantised
        near = _within(base, actual, steps) if is_copy and base is not None else None
        compared = compare(
            (Answer(name, expected[name], actual[name]) for name in expected), manifest.groups
        )
        rows.append(HeldOutRow(artefact.path, engine, compared, near))
    return HeldOutComparison(f"{reference.path} by {REFERENCE}", data, len(images), tuple(rows))


def _input(value: Value, prepare: Preprocess | None) -> Floating:
    """The input (1, …) of an image, or the input that is given."""
    if not is_image(value):
        return np.asarray(value)
    assert prepare is not None
    return preprocess(load_image(value), prepare)


def _check_reference(bundle: Bundle, reference: Artefact) -> None:
    """Open and run the reference in a process of its own, before this one opens it.

    Raises:
        EngineError: it does not run, or costs more than the bundle's budget.
    """
    row = verify_isolated(bundle.path, reference, REFERENCE, bundle.budget)
    if row.difference is None:
        raise EngineError(f"{reference.path} does not run on {REFERENCE}: {row.note}")


def _is_onnx(artefact: Artefact, precision: str) -> bool:
    return (artefact.format, artefact.precision) == ("onnx", precision)


def _of(bundle: Bundle, precision: str) -> Artefact:
    for artefact in bundle.manifest.artefacts:
        if _is_onnx(artefact, precision):
            return artefact
    raise NotAClassifier(f"{bundle.path} has no {precision} ONNX graph to hold the others to")


def _share(progress: Progress, number: int, count: int) -> Progress:
    return lambda done: progress((number + done) / count)


def _ask_all(
    bundle: Bundle,
    pairs: Iterable[tuple[Artefact, str]],
    prepared: Iterable[Floating],
    progress: Progress,
) -> dict[tuple[str, str], dict[str, Floating]]:
    """Outputs by (path of the artefact, engine); all are opened before the first image is read."""
    with ExitStack() as stack:

        def opened(artefact: Artefact, engine: str) -> Model:
            content = bundle.read_artefact(artefact)
            model = engine_class(engine).open(content.model, weights=content.weights)
            stack.callback(model.close)
            return adapt(model, bundle.manifest, artefact)

        models = {(artefact.path, engine): opened(artefact, engine) for artefact, engine in pairs}
        inputs = list(prepared)
        return {
            key: _ask(model, inputs, _share(progress, number, len(models)))
            for number, (key, model) in enumerate(models.items())
        }


def _ask(model: Model, prepared: Sequence[Floating], progress: Progress) -> dict[str, Floating]:
    """Outputs of the model for the prepared images, (n, …) by name."""
    name = model.inputs[0].name
    most = model.inputs[0].shape[0] or CHUNK
    outputs = []
    for begin in range(0, len(prepared), most):
        batch = np.concatenate(prepared[begin : begin + most])
        if model.inputs[0].shape[0] not in (None, len(batch)):
            raise EngineError(
                f"the bundle takes {most} images at a time, {len(prepared)} are no multiple; "
                f"say --limit {len(prepared) // most * most}"
            )
        outputs.append(model.run({name: batch}))
        progress((begin + len(batch)) / len(prepared))
    return {
        spec.name: np.concatenate([each[spec.name] for each in outputs]) for spec in model.outputs
    }


def _steps(qdq: bytes) -> dict[str, float]:
    """The scale that the QDQ graph notes for each of its results, by name."""
    import onnx
    import onnx_ir as ir

    from edgecnn_exporters.quantise.graph.output_encodings import noted_encoding

    graph = ir.from_proto(onnx.load_from_string(qdq)).graph
    noted = {str(value.name): noted_encoding(value) for value in graph.outputs}
    return {name: each.scale for name, each in noted.items() if each is not None}


def _within(
    expected: dict[str, Floating], actual: dict[str, Floating], steps: dict[str, float]
) -> float | None:
    near = [np.abs(expected[n] - actual[n]) <= step * (1 + 1e-4) for n, step in steps.items()]
    return float(np.concatenate([each.reshape(-1) for each in near]).mean()) if near else None
