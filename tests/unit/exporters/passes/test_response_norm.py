from __future__ import annotations

import io

import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn
from unit.exporters.passes.support import apply, by_onnxruntime

from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.passes.response_norm import CanonicaliseResponseNorm

PLAIN = {
    "square": "s = Mul (x, x)",
    "lift": "l = Reshape (s, lifted)",
    "pad": "p = Pad (l, pads)",
    "pool": "m5 = AveragePool <kernel_shape = [3, 1, 1]> (p)",
    "lower": "m = Squeeze (m5, one)",
    "alpha": "a = Mul (m, alpha)",
    "bias": "b = Add (a, k)",
    "power": "d = Pow (b, beta)",
    "divide": "y = Div (x, d)",
}


def graph(outputs: str = "float[N, 6, 4, 5] y", **changes: str) -> str:
    body = " ".join((PLAIN | changes).values())
    return f"""g (float[N, 6, 4, 5] x) => ({outputs})
        <int64[5] lifted = {{0, 1, 6, 4, 5}}, int64[1] one = {{1}}, int64[1] two = {{2}},
         int64[10] pads = {{0, 0, 1, 0, 0, 0, 0, 1, 0, 0}},
         int64[10] wide = {{0, 0, 1, 0, 0, 0, 0, 2, 0, 0}},
         int64[10] before = {{0, 0, 2, 0, 0, 0, 0, 1, 0, 0}},
         int64[4] back = {{0, 6, 4, 5}}, float zero = {{0.0}}, float half = {{0.5}},
         float alpha = {{0.3}}, float k = {{2.0}}, float beta = {{0.75}}, float square = {{2.0}}>
        {{ {body} }}"""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"square": "s = Pow (x, square)"},
        {"lift": "l = Unsqueeze (s, one)"},
        {"lower": "m6 = Squeeze (m5, one) m = Reshape (m6, back)"},
        {"pad": "p = Pad (l, pads, zero)"},
        {"alpha": "a = Mul (alpha, m)", "bias": "b = Add (k, a)"},
    ],
)
def test_every_spelling_becomes_one_node(changes: dict[str, str]) -> None:
    # onnx 1.23's reference takes the batch for the number of channels.
    found = apply(CanonicaliseResponseNorm, graph(**changes), evaluate=by_onnxruntime)
    assert found.operators == ["LRN"]
    (node,) = found.model.graph
    assert node.attributes.get_int("size", 0) == 3
    values = [node.attributes.get_float(name, 0.0) for name in ("alpha", "bias", "beta")]
    assert values == pytest.approx([0.3, 2.0, 0.75])


@pytest.mark.parametrize(
    "changes",
    [
        # PyTorch's window of four channels begins two before its own, ONNX's one.
        {"pad": "p = Pad (l, before)", "pool": "m5 = AveragePool <kernel_shape = [4, 1, 1]> (p)"},
        {"pad": "p = Pad (l, wide)", "pool": "m5 = AveragePool <kernel_shape = [4, 1, 1]> (p)"},
        {"pad": "p = Pad (l, pads, half)"},
        {"pad": 'p = Pad <mode = "reflect"> (l, pads)'},
        {"square": "s = Mul (x, k)"},
        {"square": "o = Relu (x) s = Mul (o, x)"},
        {"alpha": "a = Mul (m, m)"},
        {"divide": "y = Mul (x, d)"},
        {"power": "d = Pow (beta, b)"},
    ],
)
def test_another_formula_is_left_alone(changes: dict[str, str]) -> None:
    found = apply(CanonicaliseResponseNorm, graph(**changes))
    assert "LRN" not in found.operators
    assert not found.modified


def test_an_inner_value_that_others_read_stays() -> None:
    found = apply(
        CanonicaliseResponseNorm,
        graph(outputs="float[N, 6, 4, 5] y, float[N, 6, 4, 5] m"),
    )
    assert not found.modified


def test_a_shape_inside_it_may_have_other_readers() -> None:
    lower = """n = Shape <end = 1> (x) t = Concat <axis = 0> (n, sizes) m = Reshape (m5, t)
     z = Identity (n)"""
    text = graph(outputs="float[N, 6, 4, 5] y, int64[1] z", lower=lower)
    found = apply(
        CanonicaliseResponseNorm,
        text.replace("float zero", "int64[3] sizes = {6, 4, 5}, float zero"),
        evaluate=by_onnxruntime,
    )
    assert found.operators == ["Shape", "Identity", "LRN"]


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5, k=2.0), nn.Conv2d(8, 4, 3)
        )


def by_torchscript(network: nn.Module, x: torch.Tensor) -> ir.Model:
    stream = io.BytesIO()
    axes = {"x": {0: "N"}, "y": {0: "N"}}
    torch.onnx.export(
        network,
        (x,),
        stream,
        dynamo=False,
        opset_version=18,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes=axes,
    )
    return ir.from_proto(onnx.load_from_string(stream.getvalue()))


def by_dynamo(network: nn.Module, x: torch.Tensor) -> ir.Model:
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.onnx.export(
        network, (x,), dynamo=True, opset_version=18, dynamic_shapes=dynamic, verbose=False
    )
    assert program is not None
    return program.model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("export", [by_dynamo, by_torchscript])
def test_both_exporters_normalisation_is_recognised(export) -> None:  # type: ignore[no-untyped-def]
    # TorchScript squeezes inside an If, whose condition is found to be known.
    model = export(Net().eval(), torch.rand(2, 3, 12, 12))
    canonicalise(model)
    assert [node.op_type for node in model.graph] == ["Conv", "Relu", "LRN", "Conv"]
