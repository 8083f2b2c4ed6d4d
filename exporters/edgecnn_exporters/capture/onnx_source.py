"""Reading third-party ONNX files: external weights, opset conversion, input shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_exporters.capture.file_content import other_content
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

OPSET = 18


@dataclass(frozen=True)
class OnnxSource:
    """A third-party model with all of its weights, and a copy for the passes to work on.

    Attributes:
        original: the ONNX message as it was read; its outputs are the reference.
        model: the same network with operators of opset 18 or newer.
    """

    original: bytes
    model: ir.Model


def read_onnx(path: Path) -> OnnxSource:
    """Read a model with all of its weights into memory.

    External data is read only from the model's own folder (onnx refuses other places).

    Raises:
        UnsupportedModel: missing, damaged, invalid, of an opset that cannot be raised to 18, or its
            external data is outside the model's folder.
    """
    import onnx

    if not path.is_file():
        raise UnsupportedModel(f"{path} does not exist or is not a file, expected an ONNX model")
    kind = other_content(path)
    if kind is not None:
        raise UnsupportedModel(f"{path} is {kind}")
    try:
        proto = onnx.load(path)
        _open_sizes(proto)
        _check(proto)
    except Exception as error:  # protobuf's and onnx's errors share no narrower base
        raise UnsupportedModel(f"{path} is not a valid ONNX model: {first_line(error)}") from error
    return OnnxSource(proto.SerializeToString(), _at_least(proto, OPSET, path))


def _check(proto: onnx.ModelProto) -> None:
    """Check the model, and its noted shapes unless onnx itself would infer wrong ones."""
    import onnx

    pools = (n for n in proto.graph.node if n.op_type in ("MaxPool", "AveragePool", "LpPool"))
    rounds_up = any(
        each.name == "ceil_mode" and each.i for pool in pools for each in pool.attribute
    )
    # Below opset 22 it counts a window that begins behind the image.
    onnx.checker.check_model(proto, full_check=not (rounds_up and _opset(proto) < 22))


def _open_sizes(proto: onnx.ModelProto) -> None:
    """Make dynamic every size below 1, by which some exporters mean an unknown one."""
    graph = proto.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.HasField("dim_value") and size.dim_value < 1:
                size.ClearField("dim_value")


def _opset(proto: onnx.ModelProto) -> int:
    versions = (entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    return next(versions, 0)


def _at_least(proto: onnx.ModelProto, opset: int, path: Path) -> ir.Model:
    """The model with the operators of a newer opset, unless its own is new enough."""
    import onnx_ir as ir
    from onnx import version_converter

    from edgecnn_exporters.capture.old_resize import restore_resizing

    own = _opset(proto)
    if own >= opset:
        return ir.from_proto(proto)
    try:
        model = ir.from_proto(version_converter.convert_version(proto, opset))
    except Exception as error:  # the converter is C++ and raises any exception
        raise UnsupportedModel(
            f"{path} has opset {own} and cannot be converted to {opset}: {first_line(error)}; "
            f"export it again with opset {opset} or newer"
        ) from error
    restore_resizing(model, own)
    return model


def image_input(
    model: ir.Model, name: str, shape: tuple[int, int, int] | None, batch: int | None = None
) -> TensorSpec:
    """The model's one input; its dynamic sizes become those given, in `model` too.

    Args:
        shape: (channels, height, width), or None when --input was not given.
        batch: None leaves the batch as it is.

    Raises:
        UnsupportedModel: several inputs, not 4-D, not float32, or of unknown or another size.
    """
    import onnx_ir as ir

    inputs = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    if len(inputs) != 1:
        names = ", ".join(str(value.name) for value in inputs)
        raise UnsupportedModel(f"{name} has {len(inputs)} inputs ({names}), expected one image")
    (value,) = inputs
    if value.shape is None or len(value.shape) != 4:
        raise UnsupportedModel(
            f"{name}: input {value.name} is {value.shape}, expected a 4-D image: N x C x H x W"
        )
    if value.dtype is None or value.dtype.name != "FLOAT":
        raise UnsupportedModel(f"{name}: input {value.name} is {value.dtype}, expected float32")
    extents = [extent if isinstance(extent, int) else None for extent in value.shape]
    if shape is not None:
        if any(own not in (None, wanted) for own, wanted in zip(extents[1:], shape, strict=True)):
            raise UnsupportedModel(f"{name}: its input is {value.shape}, --input says {shape}")
        extents[1:] = shape
    if None in extents[1:]:
        likely = zip(extents[1:], (3, 224, 224), strict=True)
        size = "x".join(str(own or usual) for own, usual in likely)
        raise UnsupportedModel(
            f"{name}: input {value.name} is {value.shape}; give its size with --input 1x{size}"
        )
    if batch is not None and extents[0] not in (None, batch):
        raise UnsupportedModel(f"{name}: its batch is {extents[0]}, --batch says {batch}")
    extents[0] = extents[0] if batch is None else batch
    value.shape = ir.Shape([extents[0] or value.shape[0], *extents[1:]])
    return TensorSpec(str(value.name), "float32", tuple(extents))
