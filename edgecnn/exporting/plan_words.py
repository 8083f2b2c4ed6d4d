"""Plan of an export in words, for display."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from edgecnn.exporting.learn import learn_words
from edgecnn.exporting.plan import ExportOptions, ExportPlan
from edgecnn.model.resolve import (
    Checkpoint,
    Factory,
    LiveModule,
    ModelSource,
    OnnxFile,
    ZooNetwork,
)
from edgecnn.model.trained_numbers import KEY

if TYPE_CHECKING:
    from edgecnn.data.iterables import Items


def plan_words(plan: ExportPlan) -> dict[str, str]:
    """The stages in the order of the work."""
    options = plan.options
    shape = "x".join(map(str, plan.shape)) if plan.shape else "as in the file"
    batch = "N" if options.batch is None else str(options.batch)
    golden = _name(options.golden, "photographs")
    checks = "batch 1, 2, 3 and 7" if options.batch is None else f"batch {options.batch}"
    return {
        "model": f"{options.model.typed} ({_kind(options.model)})",
        "weights": plan.weights,
        "input": f"{batch}x{shape}" if plan.shape else shape,
        "preprocess": _preprocess(options),
        "capture": "read as it is"
        if isinstance(options.model, OnnxFile)
        else "dynamo, then torchscript if it does not agree with PyTorch",
        "optimise": f"canonical graph, opset {options.opset}",
        "verify": f"ONNX Runtime against the original on {golden} at {checks}",
        "quantise": _quantise(options),
        "learn": learn_words(options.learn),
        "artefacts": _artefacts(options),
        "bundle": str(plan.output),
    }


def _artefacts(options: ExportOptions) -> str:
    precisions = ["int8"] if options.quantise is not None else []
    artefacts = [f"onnx ({', '.join([*precisions, 'fp32'])})"]
    more = [*precisions, "fp32", *(["fp16"] if options.half else [])]
    for target in options.targets:
        artefacts.append(f"{target.name} ({', '.join(p for p in more if p in target.precisions)})")
    artefacts += [f"{name} (compiled)" for name in options.compiled]
    return ", ".join(artefacts)


def _quantise(options: ExportOptions) -> str:
    own = options.quantise
    if own is None:
        return "no; --quantize int8 adds an 8-bit artefact"
    data = _name(own.data, "what it was trained on, or else edgecnn's photographs")
    source = options.model
    if isinstance(source, Checkpoint) and KEY in source.description.training:
        return f"int8, scales from training, judged with {data}, {own.count} samples"
    return f"int8, recipe {own.config.recipe}, calibrated with {data}, {own.count} samples"


def _kind(source: ModelSource) -> str:
    match source:
        case OnnxFile():
            return "ONNX file"
        case Factory() | LiveModule():
            return "your own network"
        case ZooNetwork():
            return "zoo"
        case Checkpoint():
            return "checkpoint"
        case _:
            assert_never(source)


def _name(data: str | Items | None, default: str) -> str:
    """Name of samples."""
    from edgecnn.data.iterables import items_name

    return default if data is None else data if isinstance(data, str) else items_name(data)


def _preprocess(options: ExportOptions) -> str:
    if options.preprocess is None:
        return _own_preprocess(options.model)
    return options.preprocess if isinstance(options.preprocess, str) else "as given"


def _own_preprocess(source: ModelSource) -> str:
    """Source of the default preprocessing."""
    match source:
        case ZooNetwork():
            return "the zoo's"
        case Checkpoint():
            return "the checkpoint's"
        case OnnxFile() | Factory() | LiveModule():
            return "assumed"
        case _:
            assert_never(source)
