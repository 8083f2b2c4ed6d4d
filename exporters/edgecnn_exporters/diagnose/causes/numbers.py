"""Cause: wrong weights or biases under the right operators and attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.allowance import PRODUCTS
from edgecnn_exporters.diagnose.causes import shapes_of_error
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.causes.channels import (
    MATCH,
    misfit,
    order_in_words,
    scale_order,
)
from edgecnn_exporters.diagnose.causes.shapes_of_error import ErrorShape
from edgecnn_exporters.diagnose.weights import StoredConstant, input_of, reals, stored_constant
from edgecnn_exporters.passes.graph import set_constant
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import along, quantise_weight, weight_scales

# Half a step, with a margin for float32.
HALF_STEP = 0.51


@dataclass(frozen=True)
class Product:
    """A sum in both regions, by its place among the operators."""

    place: int
    own: ir.Node
    other: ir.Node
    axis: int


def other_numbers(case: Case) -> Iterator[CauseFinding]:
    """Findings for a weight, a bias, or both, that differ from the original's."""
    for product in _products(case):
        scales = other_scales(case, product)
        if scales is not None:
            yield scales
        weight, bias = list(_weight(case, product)), list(_bias(case, product))
        yield from (*weight, *bias)
        if weight and bias:
            yield _both(case, product)


def _products(case: Case) -> Iterator[Product]:
    ours = [n for n in operators_of(case.ours) if n.op_type in PRODUCTS]
    theirs = operators_of(case.theirs)
    places = [place for place, node in enumerate(theirs) if node.op_type in PRODUCTS]
    if len(ours) != len(places):
        return
    for own, place in zip(ours, places, strict=True):
        axis = PRODUCTS[own.op_type]
        if own.op_type == "Gemm" and not own.attributes.get_int("transB", 0):
            axis = 1
        yield Product(place, own, theirs[place], axis)


def _weight(case: Case, product: Product) -> Iterator[CauseFinding]:
    own, other = reals(input_of(product.own, 1)), stored_constant(input_of(product.other, 1))
    if own is None or other is None or _is_rounding(own, other, product.axis):
        return
    if _is_per_tensor_rounding(own, other):
        yield _weight_range(own, other, product, case.ratio_after(_replace(product, 1, own)))
        return
    groups = product.own.attributes.get_int("group", 1)
    error = shapes_of_error.of_weight(own, other.reals, _before_flatten(case, product), groups)
    yield from _findings(case, product, 1, own, other.reals, error)


def _findings(
    case: Case, product: Product, index: int, own: Array, other: Array, error: ErrorShape
) -> Iterator[CauseFinding]:
    """An error undone by itself and, if that does not mend the node, the original's numbers."""
    what = "weight" if index == 1 else "bias"
    if error.undo is not None:
        ratio = case.ratio_after(_put(product, index, error.undo(other)))
        words = f"the {what} {error.words}"
        finding = CauseFinding(error.cause, words, error.fix, ratio, named(product.own))
        yield finding
        if finding.is_confirmed:
            return
        error = ErrorShape(shapes_of_error.worst(own, other))
    ratio = case.ratio_after(_replace(product, index, own))
    words = f"the {what} {error.words}"
    yield CauseFinding(error.cause, words, error.fix, ratio, named(product.own))


def _bias(case: Case, product: Product) -> Iterator[CauseFinding]:
    own, other = reals(input_of(product.own, 2)), stored_constant(input_of(product.other, 2))
    known = own if own is not None else None if other is None else other.reals
    if known is None:
        return
    mine = np.zeros_like(known) if own is None else own
    theirs = np.zeros_like(known) if other is None else other.reals
    scale = None if other is None else other.scale
    if mine.shape == theirs.shape and np.array_equal(mine, theirs):
        return
    error = shapes_of_error.of_bias(mine, theirs, scale)
    yield from _findings(case, product, 2, mine, theirs, error)


def _both(case: Case, product: Product) -> CauseFinding:
    weight, bias = reals(input_of(product.own, 1)), reals(input_of(product.own, 2))
    others = reals(input_of(product.other, 1)), reals(input_of(product.other, 2))
    assert weight is not None
    assert others[0] is not None

    def edit(model: ir.Model) -> None:
        _replace(product, 1, weight)(model)
        if bias is not None:
            _replace(product, 2, bias)(model)

    error = shapes_of_error.of_both((weight, bias), others, product.axis)
    return CauseFinding(
        error.cause, error.words, error.fix, case.ratio_after(edit), named(product.own)
    )


def _put(product: Product, index: int, array: Array) -> Callable[[ir.Model], None]:
    """Put numbers into the candidate as they are."""

    def edit(model: ir.Model) -> None:
        node = operators_of(model)[product.place]
        name = f"{node.name}.{index}.mended"
        set_constant(model.graph, node, index, array.astype(np.float32), name)

    return edit


def other_scales(case: Case, product: Product) -> CauseFinding | None:
    """The scales of a weight's channels in another order, its integers being right."""
    own, other = reals(input_of(product.own, 1)), stored_constant(input_of(product.other, 1))
    if own is None or other is None or other.scale is None or other.scale.ndim != 1:
        return None
    if own.shape != other.reals.shape or other.axis != product.axis:
        return None
    scales = along(other.scale, own.ndim, product.axis)
    integers = np.divide(other.reals, scales, out=np.zeros_like(other.reals), where=scales != 0)
    rest = tuple(axis for axis in range(own.ndim) if axis != product.axis)
    power = np.square(integers).sum(axis=rest)
    if not power.all():
        return None
    needed = (own * integers).sum(axis=rest) / power
    order = scale_order(needed, other.scale)
    if order is None or misfit(integers * along(needed, own.ndim, product.axis), own) > MATCH:
        return None
    sound = other.scale[list(order)]
    moved = _bias_in(product, sound / other.scale)

    def edit(model: ir.Model) -> None:
        _put(product, 1, integers * along(sound, own.ndim, product.axis))(model)
        if moved is not None:
            _put(product, 2, moved)(model)

    words = (
        f"the scales of the weight's channels lie {order_in_words(order)}; its integers are right"
    )
    fix = "give each channel the scale that it was quantised with"
    return CauseFinding(Cause.KERNEL, words, fix, case.ratio_after(edit), named(product.own))


def _bias_in(product: Product, factor: Array) -> Array | None:
    """The bias with its scales multiplied, where these go with the weight's; else None.

    Kernels take the scale of a bias from the weight; a bias with a scale of its own stays.
    """
    own, other = (reals(input_of(node, 2)) for node in (product.own, product.other))
    if own is None or other is None or own.shape != other.shape or other.shape != factor.shape:
        return None
    moved: Array = other * factor
    return moved if misfit(moved, own) < MATCH < misfit(other, own) else None


def _replace(product: Product, index: int, array: Array) -> Callable[[ir.Model], None]:
    """Put the original's numbers into the candidate; a weight correctly rounded to its 8 bits."""

    def edit(model: ir.Model) -> None:
        node = operators_of(model)[product.place]
        stored = stored_constant(input_of(node, index))
        is_integer = stored is not None and stored.scale is not None
        numbers = _round(array, product.axis) if index == 1 and is_integer else array
        set_constant(
            model.graph, node, index, numbers.astype(np.float32), f"{node.name}.{index}.fixed"
        )

    return edit


def _round(weight: Array, axis: int) -> Array:
    weight = weight.astype(np.float32)
    scale = weight_scales(weight, axis)
    rounded = quantise_weight(weight, scale, axis).integers.astype(np.float32)
    result: Array = rounded * along(scale, weight.ndim, axis)
    return result


def _is_rounding(own: Array, other: StoredConstant, axis: int) -> bool:
    """Whether the candidate's weight is the original's, correctly rounded."""
    if own.shape != other.reals.shape:
        return False
    if other.scale is None:
        return bool(np.allclose(own, other.reals, rtol=2.0**-20, atol=0))
    if other.scale.ndim == 0 or other.axis != axis or not (other.scale > 0).all():
        return False
    # Adaptive rounding may take the farther integer: a whole step.
    steps = np.abs(own - other.reals) / along(other.scale, own.ndim, axis)
    return bool(steps.max() <= 2 * HALF_STEP)


def _is_per_tensor_rounding(own: Array, other: StoredConstant) -> bool:
    if other.scale is None or other.scale.size != 1 or own.shape != other.reals.shape:
        return False
    return bool(np.abs(own - other.reals).max() <= 2 * HALF_STEP * float(other.scale.reshape(())))


def _weight_range(
    own: Array, other: StoredConstant, product: Product, ratio: float
) -> CauseFinding:
    assert other.scale is not None
    rest = tuple(i for i in range(own.ndim) if i != product.axis)
    largest = np.abs(own).max(axis=rest)
    step = float(other.scale.reshape(()))
    coarse = int((largest < 8 * step).sum())
    sentence = (
        f"one scale for the whole weight: its channels reach from {largest.min():.3g} to "
        f"{largest.max():.3g}, and {coarse} of {len(largest)} channels have fewer than 8 steps"
    )
    fix = "quantise the weight channel by channel"
    return CauseFinding(Cause.WEIGHT_RANGE, sentence, fix, ratio, named(product.own))


def _before_flatten(case: Case, product: Product) -> tuple[int, ...] | None:
    """Shape (C, H, W) before the Flatten in front of a Gemm; None where there is none."""
    if product.own.op_type != "Gemm":
        return None
    shapes = [array.shape[1:] for array in case.feeds.values() if array.ndim == 4]
    weight = reals(input_of(product.own, 1))
    wide = 0 if weight is None else weight.shape[1 - product.axis]
    return next((shape for shape in shapes if int(np.prod(shape)) == wide), None)
