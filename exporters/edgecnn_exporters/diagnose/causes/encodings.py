"""Cause: a wrong 8-bit encoding of a value, in its scale, its zero point or its range."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgecnn_exporters.diagnose.align import Encoding8
from edgecnn_exporters.diagnose.allowance import judge
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_exporters.quantise.encoding import Range, encode
from edgecnn_runtime.arrays import Array

# A range that is this much wider than what the value reaches was set by something else.
WIDE = 3.0


def other_encodings(case: Case) -> Iterator[CauseFinding]:
    """The value's own encoding: not the reference's, at odds with itself, too narrow, too wide."""
    encoding = case.point.encoding
    if encoding is None:
        return
    before = _before_rounding(case)
    if encoding.inconsistency > 0:
        yield _inconsistent(case, encoding, before)
        return
    own = case.own.encoding
    if own is not None and own.apart(encoding) > 0:
        sentence = _differences(own, encoding)
        ratio = judge(case.expected, own.hold(before), case.allowed).ratio
        yield CauseFinding(
            Cause.KERNEL, sentence, "copy scale and zero point from the QDQ graph", ratio
        )
        return
    yield from _range(case, encoding, before)


def _before_rounding(case: Case) -> Array:
    """Output of the candidate's node before it is quantised."""
    if not case.point.operator:
        return case.feeds[str(case.theirs.graph.inputs[0].name)] if case.feeds else case.expected
    made: Array
    (made,) = run_onnx(case.theirs, [case.point.made], case.feeds)
    return made


def _inconsistent(case: Case, encoding: Encoding8, before: Array) -> CauseFinding:
    mended = Encoding8(
        encoding.scale, encoding.zero_point, encoding.scale, encoding.zero_point,
        encoding.low, encoding.high,
    )  # fmt: skip
    words = []
    if encoding.back_zero_point != encoding.zero_point:
        apart = encoding.back_zero_point - encoding.zero_point
        side = "more" if apart > 0 else "less"
        words.append(
            f"zero point is {encoding.back_zero_point} on the way back, {_count(abs(apart))} "
            f"{side} than the {encoding.zero_point} that it was quantised with"
        )
    if encoding.back_scale != encoding.scale:
        times = encoding.back_scale / encoding.scale
        words.append(
            f"scale is {encoding.back_scale:.4g} on the way back, {times:.3g} times the "
            f"{encoding.scale:.4g} that it was quantised with"
        )
    ratio = judge(case.expected, mended.hold(before), case.allowed).ratio
    remedy = "dequantise with the scale and zero point that the value is quantised with"
    return CauseFinding(Cause.KERNEL, "; ".join(words), remedy, ratio)


def _differences(own: Encoding8, other: Encoding8) -> str:
    words = []
    apart = (other.zero_point - other.low) - (own.zero_point - own.low)
    if apart:
        side = "more" if apart > 0 else "less"
        words.append(
            f"zero point is {other.zero_point}, {_count(abs(apart))} {side} than the QDQ graph says"
        )
    if not np.isclose(own.scale, other.scale, rtol=1e-5):
        times = other.scale / own.scale
        words.append(
            f"scale is {other.scale:.4g}, {times:.3g} times the QDQ graph's {own.scale:.4g}"
        )
    return "; ".join(words)


def _range(case: Case, encoding: Encoding8, before: Array) -> Iterator[CauseFinding]:
    value = case.expected
    sound = encode(Range(min(float(value.min()), 0.0), max(float(value.max()), 0.0)))
    mended = Encoding8(sound.scale, sound.zero_point, sound.scale, sound.zero_point, 0, 255)
    ratio = judge(case.expected, mended.hold(before), case.allowed).ratio
    low, high = encoding.range
    beyond = float(((value < low - encoding.scale) | (value > high + encoding.scale)).mean())
    reach = f"the values lie between {value.min():.4g} and {value.max():.4g}"
    if beyond:
        sentence = f"range {low:.4g} … {high:.4g} saturates {beyond:.1%} of the values: {reach}"
        remedy = "calibrate with samples that reach as far, or an observer that clips less"
    elif (high - low) > WIDE * float(np.ptp(np.append(value, 0.0))):
        sentence = f"range {low:.4g} … {high:.4g} is far wider than needed: {reach}"
        remedy = "calibrate with an observer that leaves outliers out (mse, percentile)"
    else:
        return
    yield CauseFinding(Cause.ACTIVATION_OUTLIER, sentence, remedy, ratio)


def _count(number: int) -> str:
    return "one" if number == 1 else str(number)
