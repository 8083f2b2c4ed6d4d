"""Reading ONNX files that others made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.manifest import TensorSpec

if TYPE_CHECKING:
    import onnx_ir as ir


def read_onnx(path: Path) -> ir.Model:
    """The model with all of its weights in memory.

    External data is read only from the model's own folder (onnx refuses other places).

    Raises:
        UnsupportedModel: missing, damaged, invalid, or its external data is not where it may be.
    """
    import onnx
    import onnx_ir as ir

    if not path.is_file():
        raise UnsupportedModel(f"{path} does not exist or is no file, expected an ONNX model")
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # protobuf's and onnx's errors share no narrower base
        raise UnsupportedModel(f"{path} is no valid ONNX model: {first_line(error)}") from error
    return ir.from_proto(proto)


def image_input(model: ir.Model, name: str, shape: tuple[int, int, int] | None) -> TensorSpec:
    """The model's one input; dynamic height and width are taken from `shape`.

    Args:
        shape: (channels, height, width), or None when nothing was said.

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
        if any(own not in (None, said) for own, said in zip(extents[1:], shape, strict=True)):
            raise UnsupportedModel(f"{name}: its input is {value.shape}, --input says {shape}")
        extents[1:] = shape
    if None in extents[1:]:
        raise UnsupportedModel(
            f"{name}: input {value.name} is {value.shape}; say its size with --input 1x3x224x224"
        )
    return TensorSpec(str(value.name), "float32", tuple(extents))
