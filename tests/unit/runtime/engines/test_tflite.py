from __future__ import annotations

import numpy as np
from tflite_models import brightest

from edgecnn_runtime.engines.tflite import TFLiteEngine


def test_without_a_signature_tensors_give_the_names() -> None:
    engine = TFLiteEngine.open(brightest((1, 3, 4, 4), (2, 3), 2, 1, signature=False))
    assert [str(spec) for spec in engine.inputs] == ["x float32 1x3x4x4"]
    assert [str(spec) for spec in engine.outputs] == ["y float32 1x3"]


def test_an_open_batch_may_change_from_run_to_run() -> None:
    engine = TFLiteEngine.open(brightest((None, 3, 4, 4), (2, 3), 2, 1))
    for batch in (1, 3, 3, 2, 1):
        feed = np.full((batch, 3, 4, 4), batch, np.float32)
        np.testing.assert_array_equal(
            engine.run({"input": feed})["logits"], np.full((batch, 3), 2 * batch + 1)
        )


def test_an_integer_model_is_fed_integers() -> None:
    codes = [(0.5, 0), (0.5, 0)]
    engine = TFLiteEngine.open(brightest((1, 2, 2, 3), (1, 2), 2, 1, encodings=codes))
    assert (engine.inputs[0].dtype, engine.outputs[0].dtype) == ("int8", "int8")
    logits = engine.run({"input": np.full((1, 2, 2, 3), 4, np.int8)})["logits"]
    # 4 steps of a half are 2; twice that plus 1 is 5, ten steps.
    np.testing.assert_array_equal(logits, np.full((1, 3), 10, np.int8))
