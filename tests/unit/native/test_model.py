"""The binding of edgecnn-native: a plan from a file or bytes, runs, times, errors."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from native_plans import brightest_plan

import edgecnn_native
from edgecnn_runtime import __version__

IMAGES = np.random.default_rng(0).random((3, 3, 4, 4), np.float32)
WHITE = np.ones((1, 3, 4, 4), np.float32)
FILE, PLAN, OPTION = 1, 2, 4


def test_the_library_has_the_version_of_all_distributions() -> None:
    assert edgecnn_native.version() == __version__
    assert edgecnn_native.plan_version() == 1


def test_inputs_and_outputs_are_those_of_the_plan() -> None:
    with edgecnn_native.Model(brightest_plan()) as model:
        assert [(one.name, one.dtype, one.shape) for one in model.inputs] == [
            ("input", "float32", (3, 4, 4))
        ]
        assert [(one.name, one.dtype, one.shape) for one in model.outputs] == [
            ("logits", "float32", (3,))
        ]


def test_a_file_answers_as_its_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "plän.plan"
    path.write_bytes(brightest_plan())
    with edgecnn_native.Model(path) as file, edgecnn_native.Model(brightest_plan()) as plan:
        np.testing.assert_array_equal(file.run([IMAGES])[0], plan.run([IMAGES])[0])
        np.testing.assert_array_equal(file.run([WHITE])[0], [[3, 3, 3]])


@pytest.mark.parametrize("kernels", edgecnn_native.kernels())
@pytest.mark.parametrize("threads", [1, 3])
def test_kernels_and_threads_do_not_change_the_answer(kernels: str, threads: int) -> None:
    with edgecnn_native.Model(brightest_plan(), kernels="portable") as portable:
        expected = portable.run([IMAGES])[0]
    with edgecnn_native.Model(brightest_plan(), kernels=kernels, threads=threads) as model:
        assert model.kernels == kernels
        np.testing.assert_array_equal(model.run([IMAGES])[0], expected)


def test_a_profile_names_every_layer_and_answers_as_a_run_does() -> None:
    with edgecnn_native.Model(brightest_plan()) as model:
        (logits,), layers = model.profile([WHITE])
        assert [layer.name for layer in layers] == ["quantised", "pooled", "logits"]
        assert [layer.multiplications for layer in layers] == [0, 0, 9]
        assert all(layer.seconds >= 0 for layer in layers)
        np.testing.assert_array_equal(logits, model.run([WHITE])[0])
        with pytest.raises(edgecnn_native.NativeError, match="a batch of 3"):
            model.profile([IMAGES])


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([], "0 inputs, expected 1"),
        ([IMAGES[0]], "is float32 (3, 4, 4), expected float32 (3, 3, 4, 4)"),
        ([IMAGES.astype(np.float64)], "is float64 (3, 3, 4, 4), expected float32"),
    ],
)
def test_arrays_that_do_not_fit_are_named(inputs: list[np.ndarray], says: str) -> None:
    with edgecnn_native.Model(brightest_plan()) as model:
        with pytest.raises(edgecnn_native.NativeError) as raised:
            model.run(inputs)
        assert says in str(raised.value)


def test_what_cannot_be_opened_is_refused_with_its_code(tmp_path: Path) -> None:
    for plan, options, code, says in (
        (tmp_path / "none.plan", {}, FILE, "none.plan"),
        (b"no plan" * 99, {}, PLAN, "not a plan"),
        (brightest_plan(), {"kernels": "abacus"}, OPTION, "abacus"),
    ):
        with pytest.raises(edgecnn_native.NativeError, match=says) as raised:
            edgecnn_native.Model(plan, **options)
        assert raised.value.code == code


def test_threads_take_turns_and_a_closed_model_says_so() -> None:
    model = edgecnn_native.Model(brightest_plan())
    expected = model.run([IMAGES])[0]
    said: list[str] = []

    def run() -> None:
        try:
            while True:
                np.testing.assert_array_equal(model.run([IMAGES])[0], expected)
        except edgecnn_native.NativeError as error:
            said.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    model.close()
    for thread in threads:
        thread.join()
    assert said == ["the model is closed; open it again"] * 3
