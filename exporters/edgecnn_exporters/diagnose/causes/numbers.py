"""Cause: wrong weights or biases under the right operators and attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.allowance import PRODUCTS
from edgecnn_exporters.diagnose.causes import shapes_of_error
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.weights import StoredConstant, input_of, reals, stored_constant
from edgecnn_exporters.passes.graph import set_constant
from edgecnn_exporters.quantise.encoding import along, quantise_weight, weight_scales
from edgecnn_runtime.arrays import Array

# Half a step, with a margin for float32.
HALF_STEP = 0.51


@dataclass(frozen=True)
class _Product:
    """A sum in both regions, by its place among the operators."""

    place: int
    own: ir.Node
    other: ir.Node
    axis: int


def other_numbers(case: Case) -> Iterator[CauseFinding]:
    """Findings for a weight, a bias, or both, that differ from the original's."""
    for product in _products(case):
        weight, bias = _weight(case, product), _bias(case, product)
        both = weight is not None and bias is not None
        if weight is not None:
            yield weight
        if bias is not None:
            yield bias
        if both:
            yield _both(case, product)


def _products(case: Case) -> Iterator[_Product]:
    ours = [n for n in operators_of(case.ours) if n.op_type in PRODUCTS]
    theirs = operators_of(case.theirs)
    places = [place for place, node in enumerate(theirs) if node.op_type in PRODUCTS]
    if len(ours) != len(places):
        return
    for own, place in zip(ours, places, strict=True):
        axis = PRODUCTS[own.op_type]
        if own.op_type == "Gemm" and not own.attributes.get_int("transB", 0):
            axis = 1
        yield _Product(place, own, theirs[place], axis)


def _weight(case: Case, product: _Product) -> CauseFinding | None:
    own, other = reals(input_of(product.own, 1)), stored_constant(input_of(product.other, 1))
    if own is None or other is None or _is_rounding(own, other, product.axis):
        return None
    ratio = case.ratio_after(_replace(product, 1, own))
    if _is_per_tensor_rounding(own, other):
        return _weight_range(own, other, product, ratio)
    error = shapes_of_error.of_weight(own, other.reals, _before_flatten(case, product))
    words = f"the weight {error.words}"
    return CauseFinding(error.cause, words, error.fix, ratio, named(product.own))


def _bias(case: Case, product: _Product) -> CauseFinding | None:
    own, other = reals(input_of(product.own, 2)), stored_constant(input_of(product.other, 2))
    known = own if own is not None else None if other is None else other.reals
    if known is None:
        return None
    mine = np.zeros_like(known) if own is None else own
    theirs = np.zeros_like(known) if other is None else other.reals
    scale = None if other is None else other.scale
    if mine.shape == theirs.shape and np.array_equal(mine, theirs):
        return None
    error = shapes_of_error.of_bias(mine, theirs, scale)
    ratio = case.ratio_after(_replace(product, 2, mine))
    return CauseFinding(
        error.cause, f"the bias {error.words}", error.fix, ratio, named(product.own)
    )


def _both(case: Case, product: _Product) -> CauseFinding:
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


def _replace(product: _Product, index: int, array: Array) -> Callable[[ir.Model], None]:
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
    if other.scale.ndim == 0 or other.axis != axis:
        return False
    # Adaptive rounding may take the farther integer: a whole step.
    steps = np.abs(own - other.reals) / along(other.scale, own.ndim, axis)
    return bool(steps.max() <= 2 * HALF_STEP)


def _is_per_tensor_rounding(own: Array, other: StoredConstant) -> bool:
    if other.scale is None or other.scale.size != 1 or own.shape != other.reals.shape:
        return False
    return bool(np.abs(own - other.reals).max() <= 2 * HALF_STEP * float(other.scale.reshape(())))


def _weight_range(
    own: Array, other: StoredConstant, product: _Product, ratio: float
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


def _before_flatten(case: Case, product: _Product) -> tuple[int, ...] | None:
    """Shape (C, H, W) before the Flatten in front of a Gemm; None where there is none."""
    if product.own.op_type != "Gemm":
        return None
    shapes = [array.shape[1:] for array in case.feeds.values() if array.ndim == 4]
    weight = reals(input_of(product.own, 1))
    wide = 0 if weight is None else weight.shape[1 - product.axis]
    return next((shape for shape in shapes if int(np.prod(shape)) == wide), None)
