from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network
from unit.exporters.targets.tflite.support import answer, canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

KNOWN = {
    "root": np.array(2**0.5, np.float32),
    "inverse": np.array(0.5**0.5, np.float32),
    "one": np.array(1, np.float32),
    "half": np.array(0.5, np.float32),
    "two": np.array([2], np.float32),
    "deep": np.ones((1, 1, 1, 1, 1), np.float32),
    "w": np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3, 1, 1),
}
SPELLINGS = {
    "as PyTorch exports it": "d = Div (x, root) e = Erf (d) s = Add (e, one) m = Mul (x, s) "
    "y = Mul (m, half)",
    "half of x first": "h = Mul (half, x) d = Mul (x, inverse) e = Erf (d) s = Add (one, e) "
    "y = Mul (h, s)",
    "half of the sum": "d = Mul (inverse, x) e = Erf (d) s = Add (e, one) h = Mul (s, half) "
    "y = Mul (x, h)",
    "divided by two": "d = Div (x, root) e = Erf (d) s = Add (e, one) m = Mul (s, x) "
    "y = Div (m, two)",
    "half of each summand": "d = Div (x, root) e = Erf (d) h = Mul (e, half) s = Add (h, half) "
    "y = Mul (s, x)",
}


def graph(body: str, sizes: str = "1, 3, 4, 5", more: str = "") -> str:
    letters = ", ".join("NCHW"[: len(sizes.split(","))])
    return f"g (float[{sizes}] x) => (float[{letters}] y{more}) {{ {body} }}"


def known(body: str) -> dict[str, np.ndarray]:
    return {n: a for n, a in KNOWN.items() if f" {n})" in body or f"({n}," in body}


@pytest.mark.parametrize("body", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("opset", [18, 20])
def test_every_spelling_is_one_operator(body: str, opset: int) -> None:
    found = check(graph(body), known(body), opset=opset)
    assert read(found).codes == ["GELU"]


def test_behind_a_convolution_as_a_network_has_it() -> None:
    body = SPELLINGS["as PyTorch exports it"].replace("x", "c")
    text = graph(f"c = Conv (x, w) {body}")
    assert read(check(text, known(text))).codes == ["CONV_2D", "GELU"]


PYTORCH = SPELLINGS["as PyTorch exports it"]


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (PYTORCH.replace("(e, one)", "(e, half)"), ""),
        (PYTORCH.replace("(m, half)", "(m, one)"), ""),
        (PYTORCH.replace("(x, root)", "(x, half)"), ""),
        (PYTORCH.replace("(x, s)", "(a, s)").replace("d =", "a = Abs (x) d ="), ""),
        (PYTORCH, ", float[N, C, H, W] e"),
        ("e = Erf (x) y = Relu (e)", ""),
    ],
    ids=[
        "other summand",
        "other factor",
        "other argument",
        "two values",
        "a second reader",
        "alone",
    ],
)
def test_what_is_no_gelu_is_refused(body: str, more: str) -> None:
    model = canonical(parse(graph(body, more=more), known(body)))
    with pytest.raises(UnsupportedModel, match=r"^e \(Erf\) cannot .* it is no part of a GELU"):
        write_tflite(model)


def test_a_number_of_more_axes_than_x_is_left() -> None:
    text = "g (float[1, 3] x) => (float[A, B, C, N, H] y) {{ {} }}".format(
        PYTORCH.replace("(e, one)", "(e, deep)")
    )
    with pytest.raises(UnsupportedModel, match="it is no part of a GELU"):
        write_tflite(canonical(parse(text, known(text))))


def test_gelu_of_a_quantised_graph_is_computed_in_float_between_its_integers() -> None:
    samples = list(np.random.default_rng(0).standard_normal((8, 1, 3, 6, 6)).astype(np.float32))
    body = PYTORCH.replace("x", "c").replace("y =", "g =")
    text = f"c = Conv (x, w) {body} y = Conv (g, last)"
    known = KNOWN | {"last": KNOWN["w"][:, ::-1]}
    real: ir.Model = network(text, known, reads="float[N, 3, 6, 6] x")
    model = quantise(real, samples, QuantConfig("fast")).model
    found = write_tflite(model, TfliteOptions(precision="int8"))
    assert "GELU" in found.operators
    for image in samples:
        expected = ValueProbe(model, ["y"]).run(image)["y"]
        made = answer(found, {"x": image})["y"]
        noise = np.square(made - expected).sum() / np.square(expected).sum()
        # The graph rounds every step of the spelling to 8 bits, which the operator does not.
        assert -10 * np.log10(noise) > 25
