"""Errors and SQNR of each output and group of channels, against figures made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.difference import Answer, compare, find_groups
from edgecnn_runtime.parity.row import difference_from_json
from edgecnn_runtime.parity.tolerances import is_within, weak_groups

RNG = np.random.default_rng(0)


def boxes_and_scores(axis: int) -> Array:
    """Four channels in pixels and three from 0 to 1, at 50 places, of two images."""
    boxes, scores = RNG.uniform(0, 640, (2, 4, 50)), RNG.uniform(0, 1, (2, 3, 50))
    return np.moveaxis(np.concatenate([boxes, scores], 1), 1, axis)


def one(reference: Array, actual: Array, groups: tuple[ChannelGroup, ...] | None = None):  # type: ignore[no-untyped-def]
    return compare([Answer("y", reference, actual)], None if groups is None else {"y": groups})


@pytest.mark.parametrize("axis", [1, 2])
def test_boxes_and_scores_are_two_groups_wherever_the_channels_lie(axis: int) -> None:
    reference = boxes_and_scores(axis)
    boxes, scores = find_groups([Answer("y", reference, reference)])["y"]
    assert (boxes.axis, boxes.channels) == (axis, ((0, 4),))
    assert (scores.axis, scores.channels) == (axis, ((4, 7),))
    assert scores.high <= 1 < boxes.high


def test_scores_that_are_all_zero_are_found_beside_exact_boxes() -> None:
    reference = boxes_and_scores(1)
    actual = reference.copy()
    actual[:, 4:] = 0
    found = one(reference, actual)
    assert found.worst == "y[4:7]"
    assert found.sqnr_db < 0
    assert found.groups[0].is_flat
    assert found.groups[1].sqnr_db == math.inf
    assert not is_within(found, "fp32")
    assert [group.name for group in weak_groups(found)] == ["y[4:7]"]


def test_a_thousand_logits_of_three_photographs_are_one_group() -> None:
    logits = RNG.standard_normal((3, 1000)) * RNG.uniform(0.3, 3, 1000)
    assert len(find_groups([Answer("y", logits, logits)])["y"]) == 1


def test_a_logit_that_is_near_zero_by_chance_is_no_group_of_its_own() -> None:
    logits = np.linspace(1e-4, 1, 10) + RNG.standard_normal((13, 10)) / 500
    assert len(find_groups([Answer("y", logits, logits)])["y"]) == 1


def test_a_group_of_fewer_values_than_can_be_judged_joins_the_next() -> None:
    reference = np.array([[640.0, 320.0, 0.5], [100.0, 600.0, 0.1]])
    (group,) = find_groups([Answer("y", reference, reference)])["y"]
    assert group.channels == ((0, 3),)
    more = np.concatenate([reference * factor for factor in (1, 0.9, 0.8)])
    assert len(find_groups([Answer("y", more, more)])["y"]) == 2


def test_the_smallest_of_many_features_is_no_group_of_its_own() -> None:
    sizes = np.geomspace(1, 1 / 40, 64).reshape(1, 64, 1, 1)
    features = RNG.standard_normal((2, 64, 8, 8)) * sizes
    assert len(find_groups([Answer("y", features, features)])["y"]) == 1
    few = features[:, ::8]
    assert len(find_groups([Answer("y", few, few)])["y"]) == 2


def test_a_feature_that_is_as_good_as_dead_is_no_group_and_no_difference() -> None:
    """SqueezeNet's logits are sums behind a ReLU: one of a thousand is 1e-6, and rounds as all."""
    logits = RNG.uniform(0.1, 1, (13, 100))
    logits[:, 7] = RNG.uniform(0, 1e-6, 13)
    assert len(find_groups([Answer("y", logits, logits)])["y"]) == 1
    logits[:, 7] *= 1e3
    rounded = logits + RNG.uniform(-1, 1, logits.shape) * 2.0**-22
    found = one(logits, rounded)
    assert len(found.groups) == 2
    assert is_within(found, "fp32")


def test_a_map_of_a_picture_has_its_channels_behind_the_batch() -> None:
    # Values that fade to the right are no channels along the width.
    fading = RNG.uniform(0.5, 1, (2, 2, 16, 16)) * np.geomspace(1, 1e-3, 16)
    groups = find_groups([Answer("y", fading, fading)])["y"]
    assert [group.axis for group in groups] == [1]


def test_a_constant_is_no_signal() -> None:
    signal = RNG.standard_normal((8, 4, 20))
    noise = RNG.standard_normal(signal.shape) / 10
    plain, raised = one(signal, signal + noise), one(signal + 5, signal + 5 + noise)
    assert raised.sqnr_db == pytest.approx(plain.sqnr_db)
    assert plain.sqnr_db == pytest.approx(20, abs=0.5)
    assert raised.pooled_db > 30


def test_an_answer_that_is_always_the_mean_has_no_signal_left() -> None:
    reference = RNG.standard_normal((16, 5)) + np.arange(5) / 2
    found = one(reference, np.broadcast_to(reference.mean(0), reference.shape))
    assert found.sqnr_db == pytest.approx(10 * math.log10(16 / 15), abs=1e-6)
    assert found.groups[0].is_flat
    assert weak_groups(found)


def test_outputs_that_hardly_change_are_judged_about_the_mean_of_all() -> None:
    per_class = np.linspace(-1, 1, 10)
    reference = per_class + RNG.standard_normal((8, 10)) / 100
    near = one(reference, reference + RNG.standard_normal((8, 10)) / 500)
    assert not near.groups[0].responds
    assert near.sqnr_db > 40
    assert near.groups[0].response_db == pytest.approx(14, abs=2)
    assert not weak_groups(near)
    # It answers the same to every input, however near to all of them.
    assert weak_groups(one(reference, np.broadcast_to(per_class, reference.shape)))


def test_a_constant_output_is_held_to_its_values() -> None:
    anchors = np.broadcast_to(np.arange(1.0, 5), (3, 4))
    assert one(anchors, anchors).groups[0].is_constant
    assert not weak_groups(one(anchors, anchors + 1e-3))
    assert weak_groups(one(anchors, np.zeros_like(anchors)))


def test_each_output_is_judged_by_itself() -> None:
    large, small = RNG.standard_normal((4, 10)) * 1000, RNG.standard_normal((4, 10))
    found = compare([Answer("boxes", large, large), Answer("scores", small, small + 0.1)])
    assert found.worst == "scores[0:10]"
    assert found.relative == pytest.approx(0.1 / np.abs(small - small.mean()).max())
    assert not is_within(found, "fp32")


def test_next_to_nothing_is_held_to_the_full_scale_of_a_sigmoid() -> None:
    reference = RNG.uniform(0, 2e-7, (1, 1, 8, 8))
    wrong = reference + 1e-7
    bounded = (ChannelGroup(1, ((0, 1),), 0.0, 2e-7, full_scale=1.0),)
    assert is_within(one(reference, wrong, bounded), "fp32")
    assert not weak_groups(one(reference, np.zeros_like(reference), bounded))
    unbounded = (ChannelGroup(1, ((0, 1),), 0.0, 2e-7),)
    assert not is_within(one(reference, wrong, unbounded), "fp32")
    assert not is_within(one(reference, reference + 1e-3, bounded), "fp32")


def test_scores_that_change_no_decision_are_not_weak() -> None:
    scores = RNG.uniform(0, 0.08, (4, 3, 50))
    noisy = scores + RNG.uniform(-0.02, 0.02, scores.shape)
    bounded = (ChannelGroup(1, ((0, 3),), 0.0, 0.08, full_scale=1.0),)
    unbounded = (ChannelGroup(1, ((0, 3),), 0.0, 0.08),)
    assert one(scores, noisy, bounded).sqnr_db < 15
    assert not weak_groups(one(scores, noisy, bounded))
    assert weak_groups(one(scores, noisy, unbounded))
    # All zero is another thing: nothing of the scores is left.
    assert weak_groups(one(scores / 4, np.zeros_like(scores), bounded))


def test_rounding_of_a_large_offset_is_no_difference() -> None:
    reference = 1000 + RNG.standard_normal((4, 10)) / 100
    assert is_within(one(reference, reference.astype(np.float32)), "fp32")


def test_nan_is_the_worst_of_all() -> None:
    reference = boxes_and_scores(1)
    actual = reference.copy()
    actual[0, 6, 0] = np.nan
    found = one(reference, actual)
    assert found.worst == "y[4:7]"
    assert math.isnan(found.relative)
    assert weak_groups(found)


def test_an_axis_that_changes_with_the_batch_is_no_channels() -> None:
    first, second = RNG.standard_normal((5, 1, 12)), RNG.standard_normal((5, 3, 12))
    found = find_groups([Answer("y", each, each) for each in (first, second)])["y"]
    assert [group.axis for group in found] == [2]
    plain = [Answer("y", each, each) for each in (RNG.random((5, 1)), RNG.random((5, 3)))]
    assert [group.axis for group in find_groups(plain)["y"]] == [None]


def test_outputs_without_a_batch_are_compared_whole() -> None:
    for shape in ((), (6,), (6, 4)):
        reference = np.asarray(RNG.standard_normal(shape))
        assert one(reference, reference).max_abs == 0


def test_shapes_that_differ_are_told_with_the_output() -> None:
    with pytest.raises(ValueError, match=r"expected \(1, 4\) \(output y\)"):
        one(np.ones((1, 4)), np.ones((6, 4)))


def test_a_difference_travels_as_json() -> None:
    from dataclasses import asdict

    reference = boxes_and_scores(1)
    found = one(reference, reference + 0.01)
    assert difference_from_json(asdict(found)) == found
