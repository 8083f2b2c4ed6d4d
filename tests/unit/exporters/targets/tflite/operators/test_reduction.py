from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import by_onnxruntime, canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import write_tflite

NAMES = {
    "ReduceMean": "MEAN",
    "ReduceSum": "SUM",
    "ReduceMax": "REDUCE_MAX",
    "ReduceMin": "REDUCE_MIN",
    "ReduceProd": "REDUCE_PROD",
    "ReduceL1": "ABS",
    "ReduceL2": "SQRT",
    "ReduceSumSquare": "SQUARE",
}


@pytest.mark.parametrize(("operator", "code"), NAMES.items())
@pytest.mark.parametrize("axes", [[2, 3], [-1], [0, 2], None])
@pytest.mark.parametrize("keeps", [0, 1])
def test_reductions(operator: str, code: str, axes: list[int] | None, keeps: int) -> None:
    known = {} if axes is None else {"axes": np.array(axes)}
    rank = 4 if keeps else 0 if axes is None else 4 - len(axes)
    shape = f"[{', '.join('ABCD'[:rank])}]" if rank else ""
    inputs = ", ".join(["x", *known])
    text = f"""g (float[1, 3, 4, 5] x) => (float{shape} y)
    {{ y = {operator} <keepdims = {keeps}> ({inputs}) }}"""
    found = check(text, known, relative=1e-4 if operator == "ReduceProd" else 1e-5)
    assert code in read(found).codes


def test_nothing_to_reduce_copies_the_input_to_the_output() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)
    { y = ReduceMean <noop_with_empty_axes = 1> (x) }"""
    assert read(check(text)).codes == ["RESHAPE"]


# The norm's statistics, whichever order its image lies in.
NORM = {
    "gamma": np.array([1.0, 0.5, -2.0], np.float32),
    "beta": np.array([0.1, -0.2, 0.3], np.float32),
    "mean": np.array([0.5, -0.5, 0.25], np.float32),
    "variance": np.array([1.0, 0.3, 2.0], np.float32),
}


@pytest.mark.parametrize(
    ("sizes", "before", "operators"),
    [
        ("1, 3, 4, 5", "a = Identity (x)", ["MUL", "ADD"]),
        ("1, 3, 4, 5", "a = Relu (x)", ["RELU", "MUL", "ADD"]),
        ("1, 3", "a = Identity (x)", ["MUL", "ADD"]),
        ("1, 3, 7", "a = Identity (x)", ["MUL", "ADD"]),
    ],
)
def test_a_norm_that_no_layer_takes_in_is_a_product_and_a_sum(
    sizes: str, before: str, operators: list[str]
) -> None:
    letters = ", ".join("NCHW"[: len(sizes.split(","))])
    text = f"""g (float[{sizes}] x) => (float[{letters}] y)
    {{ {before}
    n = BatchNormalization <epsilon = 0.01> (a, gamma, beta, mean, variance) y = Relu (n) }}"""
    assert read(check(text, NORM)).codes == operators


@pytest.mark.parametrize("size", [1, 3, 5])
def test_response_norms(size: int) -> None:
    text = f"""g (float[1, 7, 4, 5] x) => (float[N, C, H, W] y)
    {{ y = LRN <size = {size}, alpha = 0.3, beta = 0.6, bias = 1.5> (x) }}"""
    # ONNX's evaluator sums over as many channels as there are images.
    found = check(text, evaluate=by_onnxruntime)
    assert read(found).codes == ["LOCAL_RESPONSE_NORMALIZATION"]


@pytest.mark.parametrize(
    ("text", "known", "says"),
    [
        (
            "g (float[1, 7, 4, 5] x) => (float[N, C, H, W] y) { y = LRN <size = 4> (x) }",
            {},
            "its window of 4 channels is even",
        ),
        (
            "g (float[1, 3, 4, 5] x, float[3] v) => (float[N, C, H, W] y) "
            "{ y = BatchNormalization (x, gamma, beta, mean, v) }",
            {name: NORM[name] for name in ("gamma", "beta", "mean")},
            "its statistics are computed",
        ),
    ],
)
def test_other_norms_are_refused(text: str, known: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"^y \(\w+\) cannot .*{says}"):
        write_tflite(canonical(parse(text, known)))


def test_a_norm_in_training_is_refused() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)
    { y, m, v = BatchNormalization <training_mode = 1> (x, gamma, beta, mean, variance) }"""
    with pytest.raises(UnsupportedModel, match="it is in training mode; export the network after"):
        write_tflite(canonical(parse(text, NORM)))
