"""Inputs that a network is compared on: photographs, the user's own, or noise of the range."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.capture.examples import GivenExamples
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.tensor_spec import TensorSpec


def request(channels: int = 3, batch: int | None = None, **others: object) -> Request:
    spec = TensorSpec("x", "float32", (batch, channels, 16, 16))
    return Request("net", spec, None, **others)  # type: ignore[arg-type]


def test_seven_channels_are_no_image_and_get_noise_that_differs() -> None:
    feeds = request(7).feeds()
    assert [len(feed) for feed in feeds] == [1, 2, 3, 7]
    assert feeds[-1].shape == (7, 7, 16, 16)
    assert not request(7).reads_images
    assert (feeds[-1].min(), feeds[-1].max()) == (-1, 1)
    assert len({row.tobytes() for row in feeds[-1]}) == 7
    # Neighbours are alike, as in nature: no white noise.
    rows = feeds[-1].reshape(-1, 16)
    assert np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1] > 0.5


def test_noise_has_the_range_of_measured_samples() -> None:
    own = request(3, input_range=Range(10.0, 30.0))
    assert not own.reads_images
    assert (own.feeds()[-1].min(), own.feeds()[-1].max()) == (10, 30)
    assert request(3).reads_images


def test_given_examples_are_compared_on_and_packed() -> None:
    inputs = np.random.default_rng(0).random((5, 3, 16, 16), np.float32)
    own = request(golden=GivenExamples(inputs))
    np.testing.assert_array_equal(own.feeds()[-1], inputs[[0, 1, 2, 3, 4, 0, 1]])
    np.testing.assert_array_equal(np.concatenate(own.golden_feeds()), inputs)


@pytest.mark.parametrize(("given", "count"), [(2, 1), (5, 2)])
def test_given_examples_fill_whole_batches(given: int, count: int) -> None:
    inputs = np.random.default_rng(0).random((given, 3, 16, 16), np.float32)
    own = request(batch=2, golden=GivenExamples(inputs))
    assert [len(feed) for feed in own.golden_feeds()] == [2] * count
