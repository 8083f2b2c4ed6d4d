"""Gradient of a convolution with respect to its weight: image and gradient convolved."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rules.windows.geometry import Convolution


def weight_gradient(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """dw (O, C / g, …) of a convolution, from x (N, C, …) and dy (N, O, …)."""
    return _exchanged(emit, convolution, image, gradient)


def _exchanged(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """One convolution with batch and channels exchanged, its stride and dilation exchanged too.

    x as C / g images of g N channels, (C / g, g N, …), by dy as kernels (O, N, …) in g groups:
    (C / g, O, …), of which the kernel's own places are kept.
    """
    windows, groups = convolution.windows, convolution.groups
    space = range(2, 2 + len(windows))
    if groups == 1:
        images = emit("Transpose", image, perm=[1, 0, *space])
    else:
        sizes = [window.image for window in windows]
        inputs = convolution.inputs // groups
        apart = emit("Reshape", image, [-1, groups, inputs, *sizes])
        turned = emit("Transpose", apart, perm=[2, 1, 0, *(axis + 1 for axis in space)])
        images = emit("Reshape", turned, [inputs, -1, *sizes])
    kernels = emit("Transpose", gradient, perm=[1, 0, *space])
    # Pixels that no window reaches would give places behind the kernel.
    pads = [
        *(window.before for window in windows),
        *(window.after - window.left for window in windows),
    ]
    ends = [window.image + min(0, window.after - window.left) for window in windows]
    if any(end < window.image for end, window in zip(ends, windows, strict=True)):
        images = emit("Slice", images, [0] * len(ends), ends, list(space))
    result = emit(
        "Conv",
        images,
        kernels,
        strides=[window.dilation for window in windows],
        dilations=[window.stride for window in windows],
        pads=[max(0, pad) for pad in pads],
        group=groups,
    )
    return emit("Transpose", result, perm=[1, 0, *space])
