"""Reading third-party ONNX files: external weights, opset conversion, input shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.manifest import TensorSpec

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
    import onnx_ir as ir

    if not path.is_file():
        raise UnsupportedModel(f"{path} does not exist or is not a file, expected an ONNX model")
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # protobuf's and onnx's errors share no narrower base
        raise UnsupportedModel(f"{path} is not a valid ONNX model: {first_line(error)}") from error
    return OnnxSource(proto.SerializeToString(), ir.from_proto(_at_least(proto, OPSET, path)))


def _at_least(proto: onnx.ModelProto, opset: int, path: Path) -> onnx.ModelProto:
    """The model with the operators of a newer opset, unless its own is new enough."""
    from onnx import version_converter

    own = next(
        (entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 0
    )
    if own >= opset:
        return proto
    try:
        return version_converter.convert_version(proto, opset)
    except Exception as error:  # the converter is C++ and raises any exception
        raise UnsupportedModel(
            f"{path} has opset {own} and cannot be converted to {opset}: {first_line(error)}; "
            f"export it again with opset {opset} or newer"
        ) from error


def image_input(model: ir.Model, name: str, shape: tuple[int, int, int] | None) -> TensorSpec:
    """The model's one input; dynamic height and width are taken from `shape`.

    Args:
        shape: (channels, height, width), or None when --input was not given.

    Raises:
        UnsupportedModel: several inputs, not 4-D, not float32, or of unknown size.
    """
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
        raise UnsupportedModel(
            f"{name}: input {value.name} is {value.shape}; give its size with --input 1x3x224x224"
        )
    return TensorSpec(str(value.name), "float32", tuple(extents))
