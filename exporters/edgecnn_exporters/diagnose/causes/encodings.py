"""Cause: a wrong 8-bit encoding of a value, in its scale, its zero point or its range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgecnn_exporters.diagnose.align import Encoding8
from edgecnn_exporters.diagnose.allowance import measure_error
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import Range, encode

# A range so many times wider than the value's own was set by an outlier.
WIDE = 3.0


def other_encodings(case: Case) -> Iterator[CauseFinding]:
    """The value's encoding: inconsistent, unlike the reference's, too narrow or too wide."""
    encoding = case.point.encoding
    if encoding is None:
        return
    before = _before_rounding(case)
    if encoding.inconsistency > 0:
        yield _inconsistent(case, encoding, before)
        return
    if case.point.declared_scale is not None:
        yield _undeclared(case, encoding, case.point.declared_scale, before)
        return
    own = case.own.encoding
    if own is not None and own.distance(encoding) > 0:
        sentence = _differences(own, encoding)
        ratio = measure_error(case.expected, own.fake_quantise(before), case.allowed).ratio
        yield CauseFinding(
            Cause.KERNEL, sentence, "copy scale and zero point from the QDQ graph", ratio
        )
        return
    yield from _range(case, encoding, before)


def _before_rounding(case: Case) -> Array:
    """Output of the candidate's node before it is quantised."""
    if not case.point.operator:
        return case.feeds[str(case.theirs.graph.inputs[0].name)] if case.feeds else case.expected
    output: Array
    (output,) = run_onnx(case.theirs, [case.point.computed], case.feeds)
    return output


def _inconsistent(case: Case, encoding: Encoding8, before: Array) -> CauseFinding:
    words = []
    if encoding.back_zero_point != encoding.zero_point:
        difference = encoding.back_zero_point - encoding.zero_point
        side = "more" if difference > 0 else "less"
        words.append(
            f"zero point is {encoding.back_zero_point} in the DequantizeLinear, "
            f"{_count(abs(difference))} {side} than the {encoding.zero_point} in the QuantizeLinear"
        )
    if encoding.back_scale != encoding.scale:
        times = encoding.back_scale / encoding.scale
        words.append(
            f"scale is {encoding.back_scale:.4g} in the DequantizeLinear, {times:.3g} times the "
            f"{encoding.scale:.4g} in the QuantizeLinear"
        )
    there = replace(encoding, back_scale=encoding.scale, back_zero_point=encoding.zero_point)
    back = replace(encoding, scale=encoding.back_scale, zero_point=encoding.back_zero_point)
    ratios = [
        measure_error(case.expected, fixed.fake_quantise(before), case.allowed).ratio
        for fixed in (there, back)
    ]
    # Which of the two is wrong shows in the values.
    verbs = "dequantise", "quantise"
    verb, other = verbs if ratios[0] <= ratios[1] else verbs[::-1]
    fix = f"{verb} with the scale and zero point that {other} the value"
    return CauseFinding(Cause.KERNEL, "; ".join(words), fix, min(ratios))


def _undeclared(case: Case, encoding: Encoding8, declared: float, before: Array) -> CauseFinding:
    """A scale that is not the one with which the readers' biases were quantised."""
    times = encoding.back_scale / declared
    sentence = (
        f"scale is {encoding.back_scale:.4g}, {times:.3g} times the {declared:.4g} that the biases "
        "of the layers behind were quantised with: integer kernels make them as much larger"
    )
    fixed = replace(encoding, scale=declared, back_scale=declared)
    ratio = measure_error(case.expected, fixed.fake_quantise(before), case.allowed).ratio
    return CauseFinding(Cause.KERNEL, sentence, "set the scale that the biases have", ratio)


def _differences(own: Encoding8, other: Encoding8) -> str:
    words = []
    difference = (other.zero_point - other.low) - (own.zero_point - own.low)
    if difference:
        side = "more" if difference > 0 else "less"
        words.append(
            f"zero point is {other.zero_point}, {_count(abs(difference))} {side} "
            "than the QDQ graph's"
        )
    if not np.isclose(own.scale, other.scale, rtol=1e-5):
        times = other.scale / own.scale
        words.append(
            f"scale is {other.scale:.4g}, {times:.3g} times the QDQ graph's {own.scale:.4g}"
        )
    return "; ".join(words)


def _range(case: Case, encoding: Encoding8, before: Array) -> Iterator[CauseFinding]:
    value = case.expected
    if not np.isfinite(value).all():
        return
    sound = encode(Range(min(float(value.min()), 0.0), max(float(value.max()), 0.0)))
    fixed = Encoding8(sound.scale, sound.zero_point, sound.scale, sound.zero_point, 0, 255)
    ratio = measure_error(case.expected, fixed.fake_quantise(before), case.allowed).ratio
    low, high = encoding.range
    beyond = float(((value < low - encoding.scale) | (value > high + encoding.scale)).mean())
    reach = f"the values lie between {value.min():.4g} and {value.max():.4g}"
    if beyond:
        sentence = f"range {low:.4g} … {high:.4g} saturates {beyond:.1%} of the values: {reach}"
        fix = "calibrate with samples that cover these values, or with an observer that clips less"
    elif (high - low) > WIDE * float(np.ptp(np.append(value, 0.0))):
        sentence = f"range {low:.4g} … {high:.4g} is far wider than needed: {reach}"
        fix = "calibrate with an observer that ignores outliers (mse, percentile)"
    else:
        return
    yield CauseFinding(Cause.ACTIVATION_OUTLIER, sentence, fix, ratio)


def _count(number: int) -> str:
    return "one" if number == 1 else str(number)
