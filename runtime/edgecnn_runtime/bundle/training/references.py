"""Agreement of a training section with itself and with the rest of the manifest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from edgecnn_runtime.bundle.tensor_json import MAX_NUMBERS
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import (
    GRADIENT,
    GRADIENT_NORM,
    INDEX,
    LABELS,
    LOSS,
    NEXT,
    NORM,
    RANDOM,
    RANGE,
    RATE,
    START,
    STEP,
    Head,
    Training,
    state_of,
)

# A network of a thousand layers has as many weights and biases.
MAX_TENSORS = 4096


def check_training(manifest: Manifest, training: Training) -> dict[str, str]:
    """Check that every name of a training section is one thing, and that what it names is there.

    Returns:
        Its paths in the bundle, by where they stand.

    Raises:
        ManifestInvalid: a check fails.
    """
    _check_tensors(manifest, training)
    _check_names(manifest, training)
    _check_artefacts(manifest, training)
    known = {spec.name: spec for spec in manifest.parameters}
    if training.head is not None:
        _check_head(manifest, training.head, known)
    _check_layers(training, known)
    paths = {"graph": training.graph, "values": training.values}
    if training.golden is not None:
        paths["golden"] = training.golden
    _refuse_twice("training", paths.values())
    return {f"training.{field} {path!r}": path for field, path in paths.items()}


def _check_tensors(manifest: Manifest, training: Training) -> None:
    """Check types and shapes: no tensor is larger than a parameter, which has a file of values."""
    if not manifest.parameters:
        raise ManifestInvalid("manifest has a training graph and lists no parameters to learn")
    lists = (manifest.parameters, training.state, training.statistics, training.random)
    count = max(map(len, (*lists, training.folded, training.quantised, training.ranges)))
    if count > 3 * MAX_TENSORS:
        raise ManifestInvalid(
            f"training lists {count} tensors of a kind, at most {3 * MAX_TENSORS} are allowed"
        )
    output = manifest.outputs[0]
    if "float" not in output.dtype or (
        training.loss == "cross_entropy" and (len(output.shape) != 2 or output.shape[1] is None)
    ):
        raise ManifestInvalid(
            f"training.loss is {training.loss} of the output {output}, expected float (batch, "
            "classes)"
        )
    for spec in (*manifest.parameters, *training.statistics):
        if spec.dtype != "float32" or None in spec.shape:
            raise ManifestInvalid(f"training learns {spec}, expected float32 of a fixed shape")
    expected = state_of(training.optimiser, training.momentum, manifest.parameters)
    if {*training.state} != {*expected} or len(training.state) != len(expected):
        raise ManifestInvalid(
            f"training lists {len(training.state)} tensors of state, expected those of "
            f"{training.optimiser} with momentum {training.momentum}: {_listing(expected)}"
        )
    for spec in training.random:
        is_batch = not spec.shape or None in spec.shape[1:]
        if spec.dtype != "float32" or is_batch or not spec.name.endswith(RANDOM):
            raise ManifestInvalid(
                f"training draws {spec}, expected float32 (batch, …) with the name …{RANDOM}"
            )
    numbers = sum(math.prod(extent or 1 for extent in spec.shape) for spec in training.random)
    if numbers > MAX_NUMBERS:
        raise ManifestInvalid(
            f"training draws {numbers} random numbers an example, at most {MAX_NUMBERS} are allowed"
        )


def _listing(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(str(spec) for spec in specs[:3]) + (", …" if len(specs) > 3 else "") or "none"


def _check_names(manifest: Manifest, training: Training) -> None:
    """Check that no two inputs or outputs of the graph, or tensors of its files, share a name."""
    parameters = [spec.name for spec in manifest.parameters]
    changed = [*parameters, *(spec.name for spec in (*training.state, *training.statistics))]
    inputs = [spec.name for spec in (*manifest.inputs, *training.random)]
    reserved = [LABELS, RATE, LOSS, GRADIENT_NORM] + ([] if STEP in changed else [STEP])
    outputs = [spec.name for spec in manifest.outputs] + [
        f"{seen.value}{RANGE}" for seen in training.ranges
    ]
    derived = [f"{name}{NEXT}" for name in changed]
    derived += [f"{name}{suffix}" for name in parameters for suffix in (INDEX, GRADIENT, NORM)]
    derived += [f"{spec.name}{START}" for spec in (*manifest.parameters, *training.statistics)]
    _refuse_twice("training", [*changed, *inputs, *reserved, *outputs, *derived])


def _check_artefacts(manifest: Manifest, training: Training) -> None:
    if manifest.onnx("fp32") is None:
        raise ManifestInvalid(
            "manifest has a training graph and no fp32 ONNX artefact, into which what is learnt is "
            "written"
        )
    int8 = manifest.onnx("int8")
    if training.is_int8_written and (int8 is None or int8.encodings):
        raise ManifestInvalid(
            "training writes an int8 ONNX artefact, and the manifest lists none with float inputs "
            "and outputs"
        )


def _check_head(manifest: Manifest, head: Head, known: dict[str, TensorSpec]) -> None:
    output = manifest.outputs[0]
    names = [head.weight] if head.bias is None else [head.weight, head.bias]
    for name in names:
        if name not in known:
            raise ManifestInvalid(f"training.head names {name!r}, which is no parameter")
    weight = known[head.weight]
    is_bias = head.bias is None or known[head.bias].shape == weight.shape[:1]
    if not is_bias or len(weight.shape) < 2 or weight.shape[:1] != output.shape[1:]:
        raise ManifestInvalid(
            f"training.head is {', '.join(str(known[name]) for name in names)}, expected the "
            f"classes of the output {output} first"
        )


def _check_layers(training: Training, known: dict[str, TensorSpec]) -> None:
    """Check what is written into the artefacts: from what is known, and each only once."""
    folded = [name for norm in training.folded for name in (norm.folded_weight, norm.folded_bias)]
    _refuse_twice("training.folded", folded)
    # A parameter of a folded norm is not in the artefact by its own name.
    own = set(known) - set(training.constants)
    if both := own & set(folded):
        raise ManifestInvalid(f"training.folded makes {min(both)!r}, which is a parameter")
    written = own | set(folded)
    named = [
        name for each in training.quantised for name in (each.weight, each.bias) if name is not None
    ]
    _refuse_twice("training.quantised", named)
    for name in named:
        if name not in written:
            raise ManifestInvalid(
                f"training.quantised names {name!r}, which is no learnt weight of the artefact"
            )
    _refuse_twice("training.ranges", (seen.value for seen in training.ranges))


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ManifestInvalid(f"{what} names {twice[0]!r} twice, expected each once")
