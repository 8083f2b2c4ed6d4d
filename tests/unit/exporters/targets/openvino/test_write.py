from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from processor import OPENVINO_WEIGHT_BITS
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.openvino.placement import PRODUCTS, Executed, executed_precisions
from edgecnn_exporters.targets.openvino.rounding import KeepRounding
from edgecnn_exporters.targets.openvino.write import OpenVinoModel, write_openvino
from edgecnn_runtime.engines.openvino import OpenVINOEngine

openvino = pytest.importorskip("openvino")

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.standard_normal((8, 1, 3, 8, 8)).astype(np.float32))
IMAGES = RANDOM.standard_normal((32, 3, 8, 8)).astype(np.float32)
WEIGHTS = {
    name: RANDOM.standard_normal(shape).astype(np.float32)
    for name, shape in {
        "stem": (6, 3, 3, 3),
        "expand": (12, 6, 1, 1),
        "wise": (12, 1, 3, 3),
        "project": (6, 12, 1, 1),
        "first": (6, 6, 3, 3),
        "second": (6, 6, 3, 3),
        "down": (8, 6, 1, 1),
        "fc": (10, 8),
        "offset": (10,),
    }.items()
}
SAME = "<pads = [1, 1, 1, 1]>"
HEAD = """g = GlobalAveragePool (k) f = Flatten (g)
[classifier] y = Gemm <transB = 1> (f, fc, offset)"""
# An inverted residual whose sum follows a convolution alone, as in MobileNetV2.
INVERTED = f"""s = Conv {SAME} (x, stem) [stem] t = Clip (s, zero, six)
[linear] a = Conv {SAME} (t, first)
b = Conv (a, expand) c = Clip (b, zero, six)
d = Conv <group = 12, pads = [1, 1, 1, 1]> (c, wise) e = Clip (d, zero, six)
h = Conv (e, project) i = Add (a, h)
j = Conv (i, down) k = Relu (j) {HEAD}"""
# A basic block whose sum is rectified, as in ResNet; the branch that is added is so too.
RESIDUAL = f"""s = Conv {SAME} (x, stem) t = Relu (s)
a = Conv {SAME} (t, first) b = Relu (a)
c = Conv {SAME} (b, second) d = Relu (c)
e = Add (t, d) i = Relu (e)
j = Conv (i, down) k = Relu (j) {HEAD}"""
FLAT = "i = Relu (k) y = Flatten (i)"
CONFIG = QuantConfig("fast", weight_bits=OPENVINO_WEIGHT_BITS)
NETWORKS = {"inverted residual": INVERTED, "residual": RESIDUAL}


def real(body: str = INVERTED) -> ir.Model:
    return network(body, WEIGHTS, answers="float[N, K] y")


def integer(body: str) -> ir.Model:
    return quantise(real(body), SAMPLES, CONFIG).model


def compiled(found: OpenVinoModel) -> Any:
    core = openvino.Core()
    # Without it OpenVINO computes in bfloat16 where the processor has it.
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return core.compile_model(core.read_model(found.xml, found.weights), "CPU", how)


def products(found: OpenVinoModel) -> list[Executed]:
    return [node for node in executed_precisions(compiled(found)).values() if node.kind in PRODUCTS]


def as_written(model: ir.Model) -> np.ndarray:
    """What the graph says, every node of it computed alone."""
    (outputs,) = ValueProbe(model).stream([IMAGES])
    return outputs["y"]


@pytest.mark.parametrize("body", NETWORKS.values(), ids=NETWORKS.keys())
def test_every_convolution_of_int8_runs_in_integers(body: str) -> None:
    found = products(write_openvino(integer(body), "int8"))
    assert len(found) == body.count("Conv ") + body.count("Gemm ")
    assert {node.precision for node in found} <= {"u8", "i8"}
    assert all(node.is_integer and "_I8" in node.kernel for node in found)


def test_no_convolution_of_fp32_is_claimed_to() -> None:
    found = products(write_openvino(real(), "fp32"))
    assert len(found) == INVERTED.count("Conv ") + INVERTED.count("Gemm ")
    assert {node.precision for node in found} == {"f32"}
    assert not any(node.is_integer for node in found)


def test_what_is_fused_into_a_kernel_is_named() -> None:
    found = products(write_openvino(real(RESIDUAL), "fp32"))
    assert any({"j", "k"} <= set(node.layers) for node in found)


@pytest.mark.parametrize("body", NETWORKS.values(), ids=NETWORKS.keys())
def test_int8_computes_what_the_quantised_graph_says(body: str) -> None:
    model = integer(body)
    expected = as_written(model)
    found = compiled(write_openvino(model, "int8"))(IMAGES)[0]
    noise = np.square(found - expected).sum() / np.square(expected).sum()
    # A real on the border between two integers may fall to either side.
    assert -10 * np.log10(noise) > 50


@pytest.mark.parametrize("between", ["MaxPool <kernel_shape = [2, 2]> (r)", "Relu (a)"])
def test_a_clip_whose_bounds_lie_inside_the_encoding_clips_there(between: str) -> None:
    body = f"""
        [c1] a = Conv (x, up) [r1] r = Relu (a) [m1] m = {between}
        [k1] k = Clip (m, low, high) [c2] y = Conv (k, down)
    """
    numbers = np.random.default_rng(3)
    weights = {
        "up": numbers.standard_normal((8, 3, 3, 3)).astype(np.float32) / 3,
        "down": numbers.standard_normal((4, 8, 3, 3)).astype(np.float32),
        "low": np.array(0.1, np.float32),
        "high": np.array(0.6, np.float32),
    }
    float_model = network(body, weights, answers="float[N, K, H, W] y")
    model = quantise(float_model, SAMPLES, QuantConfig("fast")).model
    found = compiled(write_openvino(model, "int8"))(IMAGES)[0]
    expected = as_written(model)
    noise = np.square(found - expected).sum() / np.square(expected - expected.mean()).sum()
    assert -10 * np.log10(noise) > 45


def test_integers_of_eight_bits_are_exact_on_every_processor_when_computed_in_float() -> None:
    model = quantise(real(), SAMPLES, QuantConfig("fast")).model
    made = write_openvino(model, "int8")
    engine = OpenVINOEngine.open(made.xml, weights=made.weights, in_integers=False)
    found, expected = engine.run({"x": IMAGES})["y"], as_written(model)
    noise = np.square(found - expected).sum() / np.square(expected).sum()
    assert noise < 1e-5


@pytest.mark.parametrize(
    "between",
    [
        "b = ConvTranspose <strides = [2, 2]> (r, up)",
        "b = Conv <group = 2, dilations = [2, 2]> (a, grouped)",
        "b = LeakyRelu <alpha = 0.1> (a)",
        "s = Sigmoid (a) b = Mul (a, s)",
        "b = HardSwish (a)",
        "b = AveragePool <kernel_shape = [2, 2]> (a)",
        "c = Concat <axis = 1> (a, r) b = Conv (c, joined)",
        "c = Clip (a, zero, six) b = Add (c, r)",
    ],
)
def test_integers_of_other_operators_are_those_of_the_graph_too(between: str) -> None:
    shapes = {"up": (6, 6, 2, 2), "grouped": (6, 3, 3, 3), "joined": (6, 12, 1, 1)}
    weights = WEIGHTS | {
        name: RANDOM.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }
    body = f"a = Conv {SAME} (x, stem) r = Relu (a) {between} y = Conv (b, down)"
    model = quantise(network(body, weights), SAMPLES, CONFIG).model
    run = compiled(write_openvino(model, "int8"))
    expected = as_written(model)
    # The steps of the output's encoding are far larger; one real in a thousand may lie on a border.
    wrong = np.abs(run(IMAGES)[0] - expected) > 1e-4 * np.abs(expected).max()
    assert wrong.mean() < 1e-3
    found = executed_precisions(run).values()
    assert all(node.is_integer for node in found if node.kind in PRODUCTS)


def test_a_sum_is_of_rounded_integers_only_where_rounding_is_kept() -> None:
    """OpenVINO's own reading of the graph is another network than the other runtimes compute."""
    model = integer(INVERTED)
    own = compiled(OpenVinoModel(to_bytes(model), b""))
    noise = np.square(own(IMAGES)[0] - as_written(model)).sum()
    kept = compiled(write_openvino(model, "int8"))(IMAGES)[0]
    assert noise > 10 * np.square(kept - as_written(model)).sum()


@pytest.mark.parametrize(
    ("body", "added"),
    [(INVERTED, {"a.rounded", "h.rounded"}), (RESIDUAL, {"t.rounded", "d.rounded"})],
)
def test_rounding_is_kept_before_every_sum(body: str, added: set[str]) -> None:
    model = integer(body)
    before = as_written(model)
    assert KeepRounding()(model).modified
    assert {node.name for node in model.graph if node.op_type == "LeakyRelu"} == added
    np.testing.assert_array_equal(as_written(model), before)


def test_a_graph_without_sums_stays_as_it_is() -> None:
    model = integer(f"k = Conv {SAME} (x, stem) {FLAT}")
    assert not KeepRounding()(model).modified


@pytest.mark.parametrize(("precision", "relative"), [("fp32", 1e-5), ("fp16", 2e-3)])
def test_float_computes_what_the_graph_says(precision: Any, relative: float) -> None:
    expected = as_written(real())
    for batch in (1, 2, 3, 32):
        found = compiled(write_openvino(real(), precision))(IMAGES[:batch])[0]
        limit = relative * np.abs(expected).max()
        np.testing.assert_allclose(found, expected[:batch], rtol=0, atol=limit)


def test_fp16_holds_weights_in_half_the_bytes() -> None:
    full, half = (write_openvino(real(), precision) for precision in ("fp32", "fp16"))
    values = sum(array.size for name, array in WEIGHTS.items() if name in INVERTED + HEAD)
    assert 4 * values <= len(full.weights) <= 4 * values + 400
    assert 2 * values <= len(half.weights) <= 2 * values + 400


def test_int8_holds_weights_in_bytes() -> None:
    found = write_openvino(integer(INVERTED), "int8")
    assert found.xml.count(b'element_type="i8"') == INVERTED.count("Conv ") + 1


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_names_are_those_of_the_graph_and_the_batch_stays_dynamic(precision: Any) -> None:
    model = integer(INVERTED) if precision == "int8" else real()
    found = write_openvino(model, precision)
    read = openvino.Core().read_model(found.xml, found.weights)
    assert [port.names for port in read.inputs] == [{"x"}]
    assert [port.names for port in read.outputs] == [{"y"}]
    assert str(read.input("x").partial_shape) == "[?,3,8,8]"
    assert str(read.output("y").partial_shape) == "[?,10]"


SCRIPT = """
import sys
import onnx_ir as ir
from edgecnn_exporters.targets.openvino.write import write_openvino
for _ in range(int(sys.argv[3])):
    found = write_openvino(ir.load(sys.argv[1]), sys.argv[2])
sys.stdout.buffer.write(found.xml + found.weights)
"""


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_same_graph_gives_the_same_bytes_in_every_process(
    tmp_path: Any, precision: Any
) -> None:
    model = integer(INVERTED) if precision == "int8" else real()
    path = tmp_path / "net.onnx"
    path.write_bytes(to_bytes(model))
    made = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, path, precision, str(times)],
            check=True,
            capture_output=True,
        ).stdout
        for times in (1, 2)
    ]
    assert made[0] == made[1]
    assert len(made[0]) > 1000
    assert str(tmp_path).encode() not in made[0]


def test_the_graph_that_is_written_stays_as_it_was() -> None:
    model = integer(INVERTED)
    before = to_bytes(model)
    write_openvino(model, "int8")
    assert to_bytes(model) == before


def test_a_graph_of_another_precision_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="int8 is written from a quantised graph"):
        write_openvino(real(), "int8")
    with pytest.raises(UnsupportedModel, match="fp16 is written from the float graph"):
        write_openvino(integer(INVERTED), "fp16")
    with pytest.raises(ValueError, match="no precision 'int4'"):
        write_openvino(real(), "int4")  # type: ignore[arg-type]


def test_an_operator_that_openvino_does_not_know_is_named() -> None:
    model = real(f"k = Conv {SAME} (x, stem) {FLAT}")
    node = next(node for node in model.graph if node.op_type == "Relu")
    node.op_type = "Rectify"
    with pytest.raises(UnsupportedModel, match="No conversion rule found for operations: Rectify"):
        write_openvino(model, "fp32")
