"""Gradient of a convolution with respect to its weight: image and gradient convolved.

By four forms, because weights that change keep ONNX Runtime from its blocked layouts. Times are the
least of 25 on one core with AVX-512 at batch 32, PyTorch's in brackets: a convolution 3×3 of 16
channels on 32×32, 32 on 16×16, 64 on 8×8 takes 20, 12, 7.5 ms with batch and channels exchanged,
6.0, 4.6, 3.9 ms by a product for each place of the kernel, 4.1, 2.4, 1.7 ms interleaved (2.0, 1.5,
1.3); a pointwise one from 8 to 48 channels on 32×32 0.7 ms (1.6).
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rules.windows.depthwise import depthwise_weight_gradient
from edgecnn_exporters.gradient.rules.windows.geometry import Convolution

# Below that many pixels, one product of all images is faster than one of each.
FEW_PIXELS = 32


def weight_gradient(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """dw (O, C / g, …) of a convolution, from x (N, C, …) and dy (N, O, …)."""
    if convolution.is_pointwise:
        return _pointwise(emit, convolution, image, gradient)
    if convolution.is_depthwise and len(convolution.windows) == 2:
        return depthwise_weight_gradient(emit, convolution, image, gradient)
    image = _without_unread(emit, convolution, image)
    if convolution.groups == 1 and convolution.windows[-1].dilation == 1:
        return _interleaved(emit, convolution, image, gradient)
    return _exchanged(emit, convolution, image, gradient)


def _pointwise(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """``dw = sum over n of dy[n] x[n]^T``, with the pixels as columns."""
    inputs, outputs = convolution.inputs, convolution.outputs
    pixels = prod(window.image for window in convolution.windows)
    if pixels == 1:
        changes, columns = (emit("Reshape", each, [0, -1]) for each in (gradient, image))
        weight = emit("Gemm", changes, columns, transA=1)
    else:
        columns = emit("Reshape", image, [0, inputs, pixels])
        changes = emit("Reshape", gradient, [0, outputs, pixels])
        turned = emit("Transpose", columns, perm=[0, 2, 1])
        if pixels < FEW_PIXELS:
            rows = emit("Reshape", turned, [-1, inputs])
            other = emit("Transpose", changes, perm=[0, 2, 1])
            weight = emit("Gemm", emit("Reshape", other, [-1, outputs]), rows, transA=1)
        else:
            weight = emit("ReduceSum", emit("MatMul", changes, turned), [0], keepdims=0)
    return emit("Reshape", weight, [outputs, inputs, *[1] * len(convolution.windows)])


def _without_unread(emit: Emitter, convolution: Convolution, image: ir.Value) -> ir.Value:
    """x without pixels at its end that no window reaches: they would give places of no kernel."""
    cut = [(axis, window) for axis, window in enumerate(convolution.windows, 2) if window.unread]
    if not cut:
        return image
    ends = [window.image - window.unread for _, window in cut]
    return emit("Slice", image, [0] * len(cut), ends, [axis for axis, _ in cut])


def _interleaved(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """One convolution that gives dw as an image (O, …, kernel * C).

    x with its channels last is one image of N channels (1, N, …, width * C). Each channel is C
    columns from the next pixel's, so that dy as kernels (O, N, …), dilated by the stride (in the
    last axis by stride * C), gives all channels of a place side by side. Other axes take their
    dilation as stride.
    """
    windows = convolution.windows
    inputs, axes = convolution.inputs, range(2, 2 + len(windows))
    sizes = [window.image - window.unread for window in windows]
    sizes[-1] *= inputs
    last = emit("Transpose", image, perm=[0, *axes, 1])
    scale = [*[1] * (len(windows) - 1), inputs]
    pads = [
        *(window.before * by for window, by in zip(windows, scale, strict=True)),
        *(window.read_after * by for window, by in zip(windows, scale, strict=True)),
    ]
    result = emit(
        "Conv",
        emit("Reshape", last, [1, -1, *sizes]),
        emit("Transpose", gradient, perm=[1, 0, *axes]),
        strides=[window.dilation for window in windows],
        dilations=[window.stride * by for window, by in zip(windows, scale, strict=True)],
        pads=pads,
    )
    kernel = [window.kernel for window in windows]
    places = emit("Reshape", result, [convolution.outputs, *kernel, inputs])
    return emit("Transpose", places, perm=[0, len(windows) + 1, *range(1, len(windows) + 1)])


def _exchanged(
    emit: Emitter, convolution: Convolution, image: ir.Value, gradient: ir.Value
) -> ir.Value:
    """One convolution with batch and channels exchanged, its stride and dilation exchanged too.

    x as C / g images of g N channels, (C / g, g N, …), by dy as kernels (O, N, …) in g groups:
    (C / g, O, …).
    """
    windows, groups = convolution.windows, convolution.groups
    space = range(2, 2 + len(windows))
    if groups == 1:
        images = emit("Transpose", image, perm=[1, 0, *space])
    else:
        sizes = [window.image - window.unread for window in windows]
        inputs = convolution.inputs // groups
        apart = emit("Reshape", image, [-1, groups, inputs, *sizes])
        turned = emit("Transpose", apart, perm=[2, 1, 0, *(axis + 1 for axis in space)])
        images = emit("Reshape", turned, [inputs, -1, *sizes])
    result = emit(
        "Conv",
        images,
        emit("Transpose", gradient, perm=[1, 0, *space]),
        strides=[window.dilation for window in windows],
        dilations=[window.stride for window in windows],
        pads=[*(window.before for window in windows), *(window.read_after for window in windows)],
        group=groups,
    )
    return emit("Transpose", result, perm=[1, 0, *space])
