"""OpenVINO's intermediate representation, written by OpenVINO itself from the canonical graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import is_quantised
from edgecnn_exporters.scratch import scratch_folder
from edgecnn_exporters.targets import Precision
from edgecnn_exporters.targets.openvino.circular_pad import GatherCircularPad
from edgecnn_exporters.targets.openvino.limits import refuse_misread
from edgecnn_exporters.targets.openvino.requantise import RequantiseInSteps
from edgecnn_exporters.targets.openvino.rounding import KeepClipBounds, KeepRounding
from edgecnn_exporters.targets.openvino.zero_points import AbsorbZeroPoints
from edgecnn_runtime.engines.openvino import import_openvino
from edgecnn_runtime.errors import first_line


@dataclass(frozen=True)
class OpenVinoModel:
    """A model in OpenVINO's format: two files that belong together.

    Attributes:
        xml: the graph.
        weights: the numbers that it refers to by offset: the ``.bin`` beside it.
    """

    xml: bytes
    weights: bytes


def write_openvino(model: ir.Model, precision: Precision) -> OpenVinoModel:
    """The model in OpenVINO's format, the same bytes for the same model; `model` stays as it is.

    Inputs and outputs are named as in `model`, and a dynamic batch stays dynamic. fp16 holds the
    weights in 16 bits and computes in the precision that the device is set to. int8 keeps every
    scale and zero point of the QDQ graph, rounds the sums of convolutions as other runtimes do
    (`RequantiseInSteps`), and keeps the roundings that OpenVINO skips (`KeepRounding`,
    `KeepClipBounds`).
    Circular padding is written in other operators (`GatherCircularPad`).

    Args:
        model: the canonical float graph, for int8 the QDQ graph.

    Raises:
        EngineUnavailable: OpenVINO is not installed.
        UnsupportedModel: it does not read the graph, or reads an operator as another, or the graph
            has another precision.
        ValueError: no such precision.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"no precision {precision!r}; choose {', '.join(get_args(Precision))}")
    _check_precision(model, precision)
    refuse_misread(model)
    model = model.clone()
    GatherCircularPad()(model)
    if precision == "int8":
        RequantiseInSteps()(model)
        KeepClipBounds()(model)
        KeepRounding()(model)
        AbsorbZeroPoints()(model)
    return _save(_read(model), is_half=precision == "fp16")


def _check_precision(model: ir.Model, precision: Precision) -> None:
    if is_quantised(model) and precision != "int8":
        raise UnsupportedModel(
            f"{model.graph.name}: {precision} is written from the float graph, found a quantised "
            "one; give the graph from before quantising"
        )
    if precision == "int8" and not is_quantised(model):
        raise UnsupportedModel(
            f"{model.graph.name}: int8 is written from a quantised graph, found no QuantizeLinear; "
            "quantise it first"
        )


def _read(model: ir.Model) -> Any:
    """The model as an ``openvino.Model``, its tensors named as in the ONNX graph."""
    openvino = import_openvino()
    try:
        # Not convert_model, which reports its use to a server. It does the same otherwise.
        read = openvino.Core().read_model(to_bytes(model))
        _simplify(read)
    except Exception as error:  # its exceptions share no narrower base
        raise UnsupportedModel(
            f"{model.graph.name}: OpenVINO {openvino.__version__} does not read the graph: "
            f"{_reason(error)}; write the operator in others, or export without this target"
        ) from error
    for ours, theirs in ((model.graph.inputs, read.inputs), (model.graph.outputs, read.outputs)):
        for value, port in zip(ours, theirs, strict=True):
            port.get_tensor().set_names({str(value.name)})
    _name_nodes(read, {str(node.name) for node in model.graph})
    return read


def _simplify(read: Any) -> None:
    """Turn biases into plain additions, and fold constants.

    Less than half of the XML is left; opening MobileNetV2 in int8 takes 0.24 s instead of 0.83.
    OpenVINO's own converter calls the same function; there is no public name for it.
    """
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(read, cf=False)


def _name_nodes(read: Any, known: set[str]) -> None:
    """Number the nodes that OpenVINO inserted, in their order in the graph.

    It counts its nodes over the life of the process, and would call the same constant
    ``Constant_61`` once and ``Constant_1057`` the next time.
    """
    taken = known | {name for port in (*read.inputs, *read.outputs) for name in port.names}
    for number, node in enumerate(read.get_ordered_ops()):
        if node.get_friendly_name() not in taken:
            node.set_friendly_name(f"{node.get_type_name()}.{number}")


def _save(read: Any, *, is_half: bool) -> OpenVinoModel:
    # OpenVINO writes to paths alone: its Python interface takes no stream.
    with scratch_folder() as folder:
        path = folder / "model.xml"
        import_openvino().save_model(read, path, compress_to_fp16=is_half)
        return OpenVinoModel(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def _reason(error: Exception) -> str:
    """The line with the cause, after those that name OpenVINO's own source files."""
    lines = [line.strip() for line in str(error).splitlines()]
    summary = ("-- No conversion rule found", "-- Conversion is failed")
    reason = next((line for line in lines if line.startswith(summary)), first_line(error))
    return reason.removeprefix("-- ")
