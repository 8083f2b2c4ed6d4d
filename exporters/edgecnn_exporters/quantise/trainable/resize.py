"""ONNX's Resize as a function in PyTorch, where the two define the same samples."""

from __future__ import annotations

import onnx_ir as ir
from torch.nn import functional

from edgecnn_exporters.passes.graph import constant, extent
from edgecnn_exporters.quantise.trainable.operator import TorchFunction, refused

# ONNX's coordinates, and its rounding of them, by torch's name for the two.
_NEAREST = {
    ("asymmetric", "floor"): "nearest",
    ("half_pixel", "round_prefer_ceil"): "nearest-exact",
}
_LINEAR = {"half_pixel": False, "pytorch_half_pixel": False, "align_corners": True}
_NAMES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(node: ir.Node) -> TorchFunction:
    """Resize over the axes behind the channels.

    Raises:
        UnsupportedModel: torch lacks this form of it.
    """
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    sizes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    known = scales if scales is not None and scales.size else sizes
    source = node.inputs[0]
    if known is None or source is None or "axes" in node.attributes:
        raise refused(node, "its size is computed")
    channels = 1.0 if known is scales else extent(source, 1)
    if known[1] != channels or (known is scales and known[0] != 1):
        raise refused(node, "it resizes other axes than those of the image")
    mode = node.attributes.get_string("mode", "nearest")
    coordinates = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    rounding = node.attributes.get_string("nearest_mode", "round_prefer_floor")
    target = {"scale_factor" if known is scales else "size": known[2:].tolist()}
    if mode == "nearest" and (coordinates, rounding) in _NEAREST:
        name = _NEAREST[coordinates, rounding]
        return lambda x: functional.interpolate(x, **target, mode=name)
    if mode == "linear" and coordinates in _LINEAR and len(known) - 2 in _NAMES:
        name, corners = _NAMES[len(known) - 2], _LINEAR[coordinates]
        return lambda x: functional.interpolate(x, **target, mode=name, align_corners=corners)
    raise refused(node, f"torch has no {mode} resizing with {coordinates} coordinates")
