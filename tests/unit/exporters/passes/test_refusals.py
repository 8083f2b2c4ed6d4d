"""Each pass says why it leaves a node alone that it nearly matches, and says nothing of others."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from edgecnn_exporters.passes.batch_norm import FoldBatchNorm
from edgecnn_exporters.passes.dropout import RemoveDropout
from edgecnn_exporters.passes.flatten import CanonicaliseFlatten
from edgecnn_exporters.passes.gemm import CanonicaliseGemm
from edgecnn_exporters.passes.global_pool import CanonicaliseGlobalPool
from edgecnn_exporters.passes.relu6 import CanonicaliseRelu6
from edgecnn_exporters.passes.reshape import FixReshape
from edgecnn_exporters.passes.response_norm import CanonicaliseResponseNorm
from edgecnn_exporters.passes.rewrite import RewriteResult
from edgecnn_exporters.passes.sizes import FoldSizes
from edgecnn_exporters.quantise.integer_forms.affine import ConvolveAffine
from edgecnn_exporters.quantise.integer_forms.average_pool import ConvolveAveragePool
from edgecnn_exporters.quantise.integer_forms.hard_swish import SpellOutHardSwish
from edgecnn_exporters.targets.tflite.gelu import FuseGelu

Make = Callable[[], ir.passes.InPlacePass]

CONSTANTS = """float[2,2,1,1] w = {2.0, -3.0, 1.0, 4.0}, float[2] p = {1.5, 0.5},
 float[2,2] m = {1.0, 2.0, 3.0, 4.0}, float[3,2] wide = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0},
 float[1,2,1,1] s = {2.0, 3.0}, bool on = {1}, float zero = {0.0}, float half = {0.5},
 float one = {1.0}, float two = {2.0}, float three = {3.0}, float five = {5.0}, float six = {6.0},
 float root = {1.4142135}, float[1,1,1,1,1] deep = {6.0}, int64[1] axis0 = {0},
 int64[1] axis1 = {1}, int64[2] axes12 = {1, 2}, int64[1] axis2 = {2}, int64[1] axis3 = {3},
 int64[2] two_rows = {-1, 2}, int64[2] eight = {-1, 8}, int64[3] any = {-1, 2, 4},
 int64[3] empty = {2, 0, 8}, int64[3] flat = {0, 2, 4},
 int64[10] pads = {0, 0, 1, 0, 0, 0, 0, 1, 0, 0},
 int64[10] wider = {0, 0, 2, 0, 0, 0, 0, 1, 0, 0}"""
IMAGE = "float[N, 2, 2, 2] x"
VECTOR = "float[N, 2] x"
NORM = "[norm] y = BatchNormalization (c, p, p, p, p)"
LRN = """q = Mul (x, x) l = Unsqueeze (q, axis1) d = Pad (l, {pads})
 a = AveragePool <kernel_shape = [{size}, 1, 1]> (d) u = Squeeze (a, axis1) e = Mul (u, half)
 f = Add (e, one) h = Pow (f, half) [lrn] y = Div (x, h)"""
GATE = "a = Add (x, three) r = Clip (a, zero, six) t = Mul (x, r)"

REFUSED: list[tuple[Make, str, str, str, str]] = [
    (
        FoldBatchNorm,
        IMAGE,
        "c = Conv (x, w) [norm] y, v, z = BatchNormalization <training_mode = 1> (c, p, p, p, p)",
        "norm",
        "it still trains",
    ),
    (FoldBatchNorm, IMAGE, f"c = Relu (x) {NORM}", "norm", "it follows Relu, not a convolution"),
    (
        FoldBatchNorm,
        IMAGE,
        f"c = Conv (x, w) {NORM} z = Relu (c)",
        "norm",
        "the Conv before it has a second reader",
    ),
    (
        FoldBatchNorm,
        f"{IMAGE}, float[2, 2, 1, 1] v",
        f"c = Conv (x, v) {NORM}",
        "norm",
        "the weight of the Conv before it is computed",
    ),
    (
        FoldBatchNorm,
        f"{IMAGE}, float[2] v",
        f"c = Conv (x, w, v) {NORM}",
        "norm",
        "the bias of the Conv before it is computed",
    ),
    (
        FoldBatchNorm,
        f"{IMAGE}, float[2] v",
        "c = Conv (x, w) [norm] y = BatchNormalization (c, v, p, p, p)",
        "norm",
        "its own parameters are computed",
    ),
    (
        RemoveDropout,
        VECTOR,
        "[drop] y = Dropout (x)",
        "drop",
        "it leads straight from an input to an output",
    ),
    (
        RemoveDropout,
        VECTOR,
        "r = Relu (x) [drop] d, y = Dropout (r) z = Neg (d)",
        "drop",
        "its mask is read",
    ),
    (
        RemoveDropout,
        f"{VECTOR}, bool b",
        "r = Relu (x) [drop] d = Dropout (r, half, b) y = Neg (d)",
        "drop",
        "its training mode is computed",
    ),
    (
        RemoveDropout,
        VECTOR,
        "r = Relu (x) [drop] d = Dropout (r, half, on) y = Neg (d)",
        "drop",
        "its training mode is on",
    ),
    (
        CanonicaliseFlatten,
        IMAGE,
        "[r] y = Reshape (x, two_rows)",
        "r",
        "it splits or joins the batch",
    ),
    (
        CanonicaliseFlatten,
        "float[N, 2, H, W] x",
        "[r] y = Reshape (x, eight)",
        "r",
        "the size of its input is unknown",
    ),
    (
        CanonicaliseFlatten,
        f"{IMAGE}, int64[2] t",
        "[r] y = Reshape (x, t)",
        "r",
        "its target is computed",
    ),
    (
        CanonicaliseFlatten,
        "float[1, 2, 4] x",
        "[q] y = Squeeze (x, axis0)",
        "q",
        "it may squeeze the batch",
    ),
    (
        CanonicaliseFlatten,
        IMAGE,
        "[f] y = Flatten <axis = 2> (x)",
        "f",
        "it flattens from axis 2, not from axis 1",
    ),
    (
        CanonicaliseFlatten,
        IMAGE,
        "r = Reshape (x, flat) [f] y = Flatten (r) z = Neg (r)",
        "f",
        "the Reshape before it has a second reader",
    ),
    (
        CanonicaliseFlatten,
        VECTOR,
        "[f] y = Flatten (x)",
        "f",
        "it leads straight from an input to an output",
    ),
    (
        CanonicaliseGemm,
        "float[N, 3, 2] x",
        "[l] y = MatMul (x, m)",
        "l",
        "its input has 3 axes, not 2",
    ),
    (
        CanonicaliseGemm,
        f"{VECTOR}, float[2, 2] v",
        "[l] y = MatMul (x, v)",
        "l",
        "its weight is computed",
    ),
    (
        CanonicaliseGemm,
        f"{VECTOR}, float[2, 2] v",
        "[l] y = Gemm (x, v)",
        "l",
        "its weight is computed",
    ),
    (
        CanonicaliseGemm,
        "float[2, 2] x",
        "[l] y = Gemm <transA = 1> (x, m)",
        "l",
        "it transposes its input",
    ),
    (
        CanonicaliseGemm,
        f"{VECTOR}, float[2] v",
        "[l] y = Gemm <beta = 0.5> (x, m, v)",
        "l",
        "its bias, times 0.5, is computed or not one number an output",
    ),
    (
        CanonicaliseGemm,
        VECTOR,
        "a = Gemm <transB = 1> (x, m) [add] y = Add (a, p) z = Neg (a)",
        "add",
        "the Gemm before it has a second reader",
    ),
    (
        CanonicaliseGemm,
        VECTOR,
        "a = Gemm <transB = 1> (x, m, p) [add] y = Add (a, p)",
        "add",
        "the Gemm before it has a bias",
    ),
    (
        CanonicaliseGemm,
        "float[3, 2] x",
        "a = Gemm <transB = 1> (x, m) [add] y = Add (a, wide)",
        "add",
        "what it adds is not one number for each output",
    ),
    (
        CanonicaliseGlobalPool,
        f"{IMAGE}, int64[2] v",
        "[mean] y = ReduceMean (x, v)",
        "mean",
        "its axes are computed, or its input has an unknown number of axes",
    ),
    (
        CanonicaliseGlobalPool,
        IMAGE,
        "[mean] y = ReduceMean (x, axes12)",
        "mean",
        "it averages other axes than 2 and 3: 1, 2",
    ),
    (
        CanonicaliseGlobalPool,
        IMAGE,
        "a = ReduceMean (x, axis3) [mean] y = ReduceMean (a, axis2) z = Neg (a)",
        "mean",
        "the ReduceMean before it has a second reader",
    ),
    (
        CanonicaliseGlobalPool,
        "float[N, 2, H, W] x",
        "[pool] y = AveragePool <kernel_shape = [2, 2]> (x)",
        "pool",
        "the height or width of its input is unknown",
    ),
    (
        CanonicaliseGlobalPool,
        IMAGE,
        "[pool] y = AveragePool <kernel_shape = [2, 2], pads = [1, 1, 1, 1]> (x)",
        "pool",
        "it pads the map that its window covers",
    ),
    (
        CanonicaliseRelu6,
        f"{IMAGE}, float v",
        "[clip] y = Clip (x, zero, v)",
        "clip",
        "its bounds are computed",
    ),
    (
        CanonicaliseRelu6,
        IMAGE,
        "[clip] y = Clip (x, zero, five)",
        "clip",
        "it clips to 0 … 5, not to 0 … 6",
    ),
    (
        CanonicaliseRelu6,
        IMAGE,
        "a = Relu (x) [clip] y = Min (a, six) z = Neg (a)",
        "clip",
        "the Relu before it has a second reader",
    ),
    (
        CanonicaliseRelu6,
        IMAGE,
        "[clip] y = Min (x, deep)",
        "clip",
        "its bound has more axes than its input, or may have",
    ),
    (
        FixReshape,
        "float[N, 2, H, W] x",
        "[r] y = Reshape (x, any)",
        "r",
        "an axis other than the batch is dynamic or unknown",
    ),
    (FixReshape, IMAGE, "[r] y = Reshape (x, two_rows)", "r", "it splits or joins the batch"),
    (FixReshape, "float[2, 0, 8] x", "[r] y = Reshape (x, empty)", "r", "an axis is empty"),
    (
        FoldSizes,
        IMAGE,
        "[g] b = Shape <end = 1> (x) y = Expand (one, b)",
        "g",
        "it depends on a dynamic axis",
    ),
    (
        CanonicaliseResponseNorm,
        "float[N, 2, H, W] x",
        LRN.format(pads="pads", size=3),
        "lrn",
        "its input is not (N, C, H, W) with known C, H and W",
    ),
    (
        CanonicaliseResponseNorm,
        IMAGE,
        LRN.format(pads="wider", size=4),
        "lrn",
        "its window of 4 channels begins elsewhere than ONNX's",
    ),
    (
        CanonicaliseResponseNorm,
        IMAGE,
        LRN.format(pads="wider", size=3),
        "lrn",
        "its mean is not that of x² over a window of channels, padded with zeros",
    ),
    (
        CanonicaliseResponseNorm,
        IMAGE,
        LRN.format(pads="pads", size=3) + " z = Neg (q)",
        "lrn",
        "the Mul inside it has a second reader",
    ),
    (
        ConvolveAffine,
        IMAGE,
        "[norm] y, v, z = BatchNormalization <training_mode = 1> (x, p, p, p, p)",
        "norm",
        "it still trains",
    ),
    (
        ConvolveAffine,
        "float[N, 2, 3] x",
        "[norm] y = BatchNormalization (x, p, p, p, p)",
        "norm",
        "its input has 3 axes, not 2 or 4",
    ),
    (
        ConvolveAffine,
        f"{IMAGE}, float[2] v",
        "[norm] y = BatchNormalization (x, v, p, p, p)",
        "norm",
        "its parameters are computed",
    ),
    (
        ConvolveAffine,
        IMAGE,
        "c = Cast <to = 10> (x) [norm] y = BatchNormalization (c, p, p, p, p)",
        "norm",
        "it is not in float32",
    ),
    (
        ConvolveAffine,
        "float[N, C, 2, 2] x",
        "[mul] y = Mul (x, s)",
        "mul",
        "its input is not (N, C, H, W) with a known C",
    ),
    (
        ConvolveAffine,
        "float[N, 1, 2, 2] x",
        "[mul] y = Mul (x, s)",
        "mul",
        "it makes 2 channels of 1",
    ),
    (
        ConvolveAveragePool,
        "float[N, 2, 8] x",
        "[pool] y = AveragePool <kernel_shape = [2]> (x)",
        "pool",
        "its window is not over height and width",
    ),
    (
        ConvolveAveragePool,
        IMAGE,
        "[pool] y = AveragePool <kernel_shape = [2, 2], ceil_mode = 1> (x)",
        "pool",
        "its window reaches beyond the padding (ceil_mode)",
    ),
    (
        ConvolveAveragePool,
        IMAGE,
        '[pool] y = AveragePool <kernel_shape = [2, 2], auto_pad = "SAME_UPPER"> (x)',
        "pool",
        "its padding is automatic (auto_pad)",
    ),
    (
        ConvolveAveragePool,
        IMAGE,
        "[pool] y = AveragePool <kernel_shape = [2, 2], pads = [1, 1, 1, 1]> (x)",
        "pool",
        "it leaves the padding out of the count",
    ),
    (
        ConvolveAveragePool,
        "float[N, 1, 2, 2] x",
        "[pool] y = AveragePool <kernel_shape = [2, 2]> (x)",
        "pool",
        "its input has one channel, or an unknown number",
    ),
    (
        SpellOutHardSwish,
        IMAGE,
        "s6 = HardSigmoid (x) [product] y = Mul (x, s6)",
        "product",
        "its numbers are not those of HardSwish",
    ),
    (
        SpellOutHardSwish,
        IMAGE,
        f"{GATE} [last] y = Div (t, six) z = Neg (r)",
        "last",
        "the Clip inside it has a second reader",
    ),
    (
        SpellOutHardSwish,
        IMAGE,
        f"{GATE} [last] y = Div (t, deep)",
        "last",
        "one of its numbers has more axes than its input",
    ),
    (
        FuseGelu,
        IMAGE,
        "a = Div (x, root) b = Erf (a) c = Add (b, one) [last] y = Mul (x, c)",
        "last",
        "its numbers are not those of GELU",
    ),
    (
        FuseGelu,
        IMAGE,
        "a = Div (x, root) b = Erf (a) c = Add (b, one) d = Mul (x, c) [last] y = Mul (d, half) "
        "z = Neg (b)",
        "last",
        "the Erf inside it has a second reader",
    ),
]


def refusals(make: Make, inputs: str, body: str) -> list[tuple[str | None, str]]:
    proto = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 18]>
        g ({inputs}) => (y, z) <{CONSTANTS}> {{ {body} }}"""
    )
    made = {name for node in proto.graph.node for name in node.output}
    while proto.graph.output:
        proto.graph.output.pop()
    for name in sorted(made & {"y", "z"}):
        proto.graph.output.append(onnx.ValueInfoProto(name=name))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    result = make()(model)
    assert not result.modified
    assert isinstance(result, RewriteResult)
    return [(node.name, refusal.reason) for node, refusal in result.refusals]


@pytest.mark.parametrize(
    ("make", "inputs", "body", "node", "reason"),
    REFUSED,
    ids=[f"{make.__name__}: {reason}" for make, *_, reason in REFUSED],
)
def test_a_refusal_has_its_reason(
    make: Make, inputs: str, body: str, node: str, reason: str
) -> None:
    assert (node, reason) in refusals(make, inputs, body)


@pytest.mark.parametrize(
    "make", dict.fromkeys(make for make, *_ in REFUSED), ids=lambda make: make.__name__
)
def test_of_other_operators_nothing_is_said(make: Make) -> None:
    body = """c = Conv (x, w) r = Relu (c) q = Clip (r, zero, six) v = Mul (q, two) d = Add (v, x)
     a = Sigmoid (d) k = Mul (d, a) e = Div (k, a) g = GlobalAveragePool (e) f = Flatten (g)
     y = Gemm <transB = 1> (f, m, p)"""
    if make is CanonicaliseRelu6:
        body = body.replace("Clip (r, zero, six)", "Relu (r)")
    assert refusals(make, IMAGE, body) == []


def test_reasons_name_no_node() -> None:
    assert len({reason for *_, reason in REFUSED}) < len(REFUSED)
    for *_, node, reason in REFUSED:
        assert f" {node} " not in f" {reason} "
