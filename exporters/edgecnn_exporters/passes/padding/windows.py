"""Sliding windows of convolutions and pools: sizes, and padding in pixels of each axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import extent, is_operator, new_initialiser, rank
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class WindowAxis:
    """The window of a convolution or pool along one axis of the image, in pixels.

    Attributes:
        image: size of the operator's input; None where it is unknown.
        before, after: explicit padding.
    """

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    image: int | None

    @property
    def reach(self) -> int:
        """Pixels from the first tap of a dilated kernel to its last."""
        return (self.kernel - 1) * self.dilation + 1


def window_axes(node: ir.Node) -> tuple[WindowAxis, ...] | None:
    """The axes of the node's window; None where the size of its kernel is unknown."""
    source = node.inputs[0]
    kernel = _kernel(node)
    if source is None or kernel is None:
        return None
    axes = len(kernel)
    strides, dilations = ints(node, "strides", [1] * axes), ints(node, "dilations", [1] * axes)
    pads = ints(node, "pads", [0] * 2 * axes)
    return tuple(
        WindowAxis(
            kernel[axis],
            strides[axis],
            dilations[axis],
            pads[axis],
            pads[axis + axes],
            extent(source, axis + 2),
        )
        for axis in range(axes)
    )


def _kernel(node: ir.Node) -> Sequence[int] | None:
    if given := node.attributes.get_ints("kernel_shape", []):
        return given
    weight = node.inputs[1] if is_operator(node, "Conv", "ConvTranspose") else None
    if weight is None:
        return None
    sizes = [extent(weight, axis) for axis in range(2, rank(weight) or 0)]
    known = [size for size in sizes if size is not None]
    return known if known and len(known) == len(sizes) else None


def ints(node: ir.Node, attribute: str, default: Sequence[int]) -> list[int]:
    """The integers of an attribute, or the default where it is absent or empty."""
    return list(node.attributes.get_ints(attribute, default) or default)


def set_pads(node: ir.Node, before: Sequence[int], after: Sequence[int]) -> None:
    """The node's padding is these pixels before and after each axis, and not automatic."""
    node.attributes.pop("auto_pad", None)
    node.attributes.pop("pads", None)
    if any(before) or any(after):
        node.attributes["pads"] = ir.AttrInt64s("pads", [*before, *after])


def pad_image(
    graph: ir.Graph,
    node: ir.Node,
    before: Sequence[int],
    after: Sequence[int],
    fill: Array | None = None,
) -> None:
    """A ``Pad`` in front of the node adds these pixels before and after each axis of its image.

    Args:
        fill: one number of the image's type; None for zero.
    """
    source, name = node.inputs[0], str(node.outputs[0].name)
    assert source is not None
    widths = np.array([0, 0, *before, 0, 0, *after], np.int64)
    amounts = new_initialiser(graph, f"{name}.pads", widths)
    filling = [] if fill is None else [new_initialiser(graph, f"{name}.fill", fill)]
    pad = ir.node("Pad", [source, amounts, *filling], name=f"{node.name or name}.pad")
    padded = pad.outputs[0]
    padded.name, padded.type = f"{name}.padded", source.type
    if source.shape is not None:
        whole = [0, 0, *(b + a for b, a in zip(before, after, strict=True))]
        padded.shape = ir.Shape(
            [
                size + more if isinstance(size, int) else size
                for size, more in zip(source.shape, whole, strict=True)
            ]
        )
    graph.insert_before(node, pad)
    node.replace_input_with(0, padded)
