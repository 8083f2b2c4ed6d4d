"""Windows of operators over a feature map: kernel, stride, padding and dilation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from edgecnn.zoo.analysis.tracing import Operation

POOLS = frozenset({"max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "lp_pool2d"})
CONVOLUTIONS = frozenset({"conv2d", "convolution"})
TRANSPOSED = frozenset({"conv_transpose2d"})
PADS = frozenset({"pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d"})
REDUCTIONS = frozenset(
    {"mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "logsumexp"}
) | {"softmax", "log_softmax", "cumsum", "argmax"}
MATRIX_PRODUCTS = frozenset({"linear", "matmul", "mm", "bmm", "addmm", "einsum"})


@dataclass(frozen=True)
class AxisWindow:
    """Window of one axis: output i reads ``i·stride − padding + t·dilation``, 0 ≤ t < kernel.

    A fractional stride is one of upsampling.
    """

    kernel: int = 1
    stride: Fraction = Fraction(1)
    padding: int = 0
    dilation: int = 1


Windows = tuple[AxisWindow, AxisWindow]


def windows_of(
    operation: Operation, source: Sequence[int], axes: tuple[int, int], output: Sequence[int]
) -> Windows | None:
    """The windows along height and width, or None for an operator that reads features one by one.

    Args:
        source: shape of the map that is read, height and width at `axes`.
        output: shape of the result.
    """
    name, given = operation.name, operation.arguments
    if name in CONVOLUTIONS | TRANSPOSED and axes == (2, 3):
        return _convolution(operation)
    if name in POOLS:
        return _pooling(operation)
    if name.startswith("adaptive_"):
        return _resampling(source, axes, output, "")
    if name == "slice" and given["dim"] % len(source) in axes:
        start = given["start"] or 0
        axis = given["dim"] % len(source)
        start = max(0, start + source[axis]) if start < 0 else start
        window = AxisWindow(1, Fraction(given["step"]), -start)
        return (window, AxisWindow()) if axis == axes[0] else (AxisWindow(), window)
    if name in PADS:
        return _padding(operation, len(source), axes)
    same_rank = len(source) == len(output)
    if same_rank and any(source[axis] != output[axis] for axis in axes) and _is_resizer(operation):
        return _resampling(source, axes, output, name)
    return None


def is_global(
    operation: Operation, source: Sequence[int], axes: tuple[int, int], output: Sequence[int]
) -> bool:
    """Whether each output reads all of the map along height or width."""
    name = operation.name
    if name.startswith("adaptive_"):
        return all(extent == 1 for extent in output[-2:])
    if name in MATRIX_PRODUCTS:
        return len(source) - 1 in axes
    if name not in REDUCTIONS:
        return False
    if "dim" not in operation.arguments:
        return len(output) < len(source)  # max(x, y) reduces nothing
    given = operation.arguments["dim"]
    reduced = [given] if isinstance(given, int) else given or range(len(source))
    return any(dim % len(source) in axes for dim in reduced)


def find_axes(
    operation: Operation, source: Sequence[int], axes: tuple[int, int], output: Sequence[int]
) -> tuple[int, int] | None:
    """Axes of height and width in the result of an operator that moves no feature.

    None where they are gone: flattened into one axis, or broadcast to a larger map.
    """
    name, given = operation.name, operation.arguments
    if name == "permute":
        order = [dim % len(source) for dim in given["dims"]]
        return order.index(axes[0]), order.index(axes[1])
    if name == "transpose":
        swapped = {given["dim0"] % len(source): given["dim1"] % len(source)}
        swapped |= {new: old for old, new in swapped.items()}
        return swapped.get(axes[0], axes[0]), swapped.get(axes[1], axes[1])
    extents = [source[axis] for axis in axes]
    if len(output) == len(source):
        return axes if [output[axis] for axis in axes] == extents else None
    if len(output) > 2 and axes == (len(source) - 2, len(source) - 1):
        if list(output[-2:]) == extents:
            return len(output) - 2, len(output) - 1
        return None
    return _find_in_view(source, axes, output)


def _find_in_view(
    source: Sequence[int], axes: tuple[int, int], output: Sequence[int]
) -> tuple[int, int] | None:
    """The axes of a view with the extents of height and width and as many elements before them."""
    candidates = []
    for axis in axes:
        before = math.prod(source[:axis])
        fits = [
            new
            for new, extent in enumerate(output)
            if extent == source[axis] and math.prod(output[:new]) == before
        ]
        if not fits:
            return None
        candidates.append(fits[-1])
    return candidates[0], candidates[1]


def _convolution(operation: Operation) -> Windows:
    given = operation.arguments
    taps = operation.constants["weight"][2:]
    strides, dilations = _pair(given["stride"]), _pair(given["dilation"])
    padding = given["padding"]
    if isinstance(padding, str):
        # "same" puts the odd pixel behind.
        around = [d * (k - 1) // 2 for d, k in zip(dilations, taps, strict=True)]
        paddings = (around[0], around[1]) if padding == "same" else (0, 0)
    else:
        paddings = _pair(padding)
    parts = list(zip(taps, strides, paddings, dilations, strict=True))
    if operation.name in TRANSPOSED or given.get("transposed"):
        rows, columns = (_transposed(*part) for part in parts)
    else:
        rows, columns = (AxisWindow(k, Fraction(s), p, d) for k, s, p, d in parts)
    return rows, columns


def _transposed(kernel: int, stride: int, padding: int, dilation: int) -> AxisWindow:
    """Widest phase of a transposed convolution: ``(i + padding − reach) / stride`` is first."""
    reach = (kernel - 1) * dilation
    return AxisWindow(-(-(reach + 1) // stride), Fraction(1, stride), (reach - padding) // stride)


def _pooling(operation: Operation) -> Windows:
    given = operation.arguments
    kernels = _pair(given["kernel_size"])
    strides = _pair(given["stride"] or given["kernel_size"])
    paddings, dilations = _pair(given["padding"]), _pair(given.get("dilation", 1))
    rows, columns = (
        AxisWindow(k, Fraction(s), p, d)
        for k, s, p, d in zip(kernels, strides, paddings, dilations, strict=True)
    )
    return rows, columns


def _padding(operation: Operation, rank: int, axes: tuple[int, int]) -> Windows:
    """Pairs (before, after) from the last axis on."""
    amounts = operation.arguments.get("pad") or operation.arguments.get("padding") or []
    before = {rank - 1 - index // 2: amounts[index] for index in range(0, len(amounts), 2)}
    rows, columns = (AxisWindow(padding=before.get(axis, 0)) for axis in axes)
    return rows, columns


def _is_resizer(operation: Operation) -> bool:
    return operation.name.startswith(("upsample", "_upsample", "pixel_", "grid_sampler"))


def _resampling(
    source: Sequence[int], axes: tuple[int, int], output: Sequence[int], name: str
) -> Windows:
    """The widest window of an adaptive pooling, an interpolation or a pixel shuffle."""
    neighbours = 3 if "bicubic" in name else 1 if "linear" in name else 0
    windows = []
    for axis in axes:
        extent, wanted = source[axis], output[axis]
        bins = (-(-(i + 1) * extent // wanted) - i * extent // wanted for i in range(wanted))
        same = extent == wanted
        windows.append(AxisWindow(1 if same else max(bins) + neighbours, Fraction(extent, wanted)))
    return windows[0], windows[1]


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A number for each axis, from one for both or a sequence."""
    if isinstance(value, int):
        return value, value
    return value[0], value[-1]
