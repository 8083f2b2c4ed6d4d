"""Images of an iterable lie in a file, and are read one at a time."""

from __future__ import annotations

import pickle

import numpy as np

from edgecnn.evaluate.spooled import SpooledImages, spool_examples
from edgecnn_runtime.tensor_spec import TensorSpec

SPEC = TensorSpec("input", "float32", (None, 3, 8, 8))
INPUTS = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(np.float32)


def test_a_part_is_read_when_it_is_asked_for_or_sent_to_a_process() -> None:
    with spool_examples(zip(INPUTS, range(6), strict=True), SPEC) as spooled:
        part = spooled.images[2:5]
        assert isinstance(part, SpooledImages)
        sent = pickle.loads(pickle.dumps(part))
        assert isinstance(sent, list)
        for images in (part, sent):
            np.testing.assert_array_equal(np.concatenate(list(images)), INPUTS[2:5])
