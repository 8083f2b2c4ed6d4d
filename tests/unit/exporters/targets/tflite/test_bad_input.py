"""Whatever is fed to the TFLite target is written rightly or refused in words that help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir
import pytest
from unit.exporters.targets.tflite.support import (
    answer,
    canonical,
    feeds_of,
    parse,
    read,
    reference,
)

from edgecnn_exporters.capture.onnx_source import read_onnx
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.targets import Precision
from edgecnn_exporters.targets.tflite.write import TfliteModel, TfliteOptions, write_tflite

IMAGE = "g (float[N, 3, 6, 6] x) => (float[N, K] y)"
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": RANDOM.standard_normal((4, 3, 3, 3)).astype(np.float32),
    "fc": RANDOM.standard_normal((5, 64)).astype(np.float32),
    "b": RANDOM.standard_normal(5).astype(np.float32),
}
BODY = """{ [conv] c = Conv (x, w) [act] r = Relu (c) [flat] f = Flatten (r)
[head] y = Gemm <transB = 1> (f, fc, b) }"""
NEWEST = onnx.defs.onnx_opset_version()


def exported(path: Path) -> TfliteModel:
    """The file of an ONNX file, by the steps of an export."""
    model = read_onnx(path).model
    canonicalise(model)
    return write_tflite(model)


def assert_same(found: TfliteModel, proto: onnx.ModelProto) -> None:
    feeds = feeds_of(proto)
    (made,) = answer(found, feeds).values()
    (wanted,) = reference(proto, feeds).values()
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 18, 21, NEWEST])
def test_every_operator_set_since_the_seventh(tmp_path: Path, opset: int) -> None:
    proto = parse(f"{IMAGE} {BODY}", WEIGHTS, opset)
    onnx.save(proto, tmp_path / "net.onnx")
    found = exported(tmp_path / "net.onnx")
    assert_same(found, proto)
    assert read(found).codes == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_weights_beside_the_model_are_taken_in(tmp_path: Path) -> None:
    proto = parse(f"{IMAGE} {BODY}", WEIGHTS)
    path = tmp_path / "net.onnx"
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    onnx.save(copy, path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "net.data").exists()
    assert_same(exported(path), proto)


def test_an_operator_without_a_translation_is_named_with_its_node() -> None:
    text = f"{IMAGE} {{ [odd] e = Celu (x) [flat] y = Flatten (e) }}"
    with pytest.raises(UnsupportedModel) as caught:
        write_tflite(canonical(parse(text)))
    assert str(caught.value) == (
        "no TFLite operator computes odd (Celu); replace them in the network by operators that are "
        "in docs/tflite.md, or leave the target tflite out"
    )


def test_of_many_operators_three_are_named_and_the_others_counted() -> None:
    names = ["one", "two", "three", "four", "five"]
    chain = zip(names, ["x", *names], strict=False)
    nodes = " ".join(f"[{name}] {name} = Celu ({before})" for name, before in chain)
    model = canonical(parse(f"{IMAGE} {{ {nodes} y = Flatten (five) }}"))
    says = r"one \(Celu\), two \(Celu\), three \(Celu\) and 2 more"
    with pytest.raises(UnsupportedModel, match=says):
        write_tflite(model)


def test_an_operator_of_another_domain_is_named_with_it() -> None:
    text = """<ir_version: 10, opset_import: ["": 20, "mine": 1]>
    g (float[N, 3, 6, 6] x) => (float[N, 3, 6, 6] y) { [odd] y = mine.Relu (x) }"""
    with pytest.raises(UnsupportedModel, match=r"odd \(mine\.Relu\)"):
        write_tflite(ir.from_proto(onnx.parser.parse_model(text)))


@pytest.mark.parametrize("operator", ["If", "Loop"])
def test_control_flow_is_refused(operator: str) -> None:
    if operator == "If":
        text = """g (float[1, 3, 6, 6] x, bool[1] b) => (float[1, 3, 6, 6] y) {
        [odd] y = If (b) <
            then_branch = yes () => (float[1, 3, 6, 6] p) { p = Relu (x) },
            else_branch = no () => (float[1, 3, 6, 6] q) { q = Neg (x) }> }"""
    else:
        text = """g (float[1, 3, 6, 6] x) => (float[1, 3, 6, 6] y) <int64 n = {3}, bool go = {1}> {
        [odd] y = Loop (n, go, x) <body = step (int64 i, bool c, float[1, 3, 6, 6] s)
            => (bool d, float[1, 3, 6, 6] t) { d = Identity (c) t = Relu (s) }> }"""
    with pytest.raises(UnsupportedModel, match=rf"no TFLite operator computes odd \({operator}\)"):
        write_tflite(canonical(parse(text)))


def test_indices_of_64_bits_are_written_in_32() -> None:
    known = {"s": np.array([1]), "e": np.array([2**63 - 1]), "a": np.array([2])}
    known["i"] = np.array([2, 0])
    text = """g (float[1, 3, 6, 6] x) => (float[N, C, H, W] y)
    { c = Slice (x, s, e, a) y = Gather <axis = 1> (c, i) }"""
    proto = parse(text, known)
    found = write_tflite(canonical(proto))
    assert_same(found, proto)
    assert "INT64" not in {tensor.dtype for tensor in read(found).tensors.values()}


def test_names_that_the_file_itself_would_give_stay_those_of_the_values() -> None:
    """Tensors that only the translation needs give way to the network's own."""
    proto = parse(
        """g (float[1, 3, 8, 8] x) => (float[N, C, H, W] pads) { padded = Relu (x)
        [axes] axes = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (padded, w)
        pads = Relu (axes) }""",
        {"w": WEIGHTS["w"]},
    )
    found = write_tflite(canonical(proto))
    assert_same(found, proto)
    tensors = read(found).tensors
    assert tensors["padded"].shape == (1, 8, 8, 3)
    assert tensors["pads"].shape == (1, 4, 4, 4)


def test_names_with_signs_that_no_identifier_has_are_kept_apart() -> None:
    text = "g (float[1, 4] x) => (float[1, 4] y) { a = Relu (x) b = Neg (a) y = Abs (b) }"
    proto = parse(text)
    relu, neg, absolute = proto.graph.node
    relu.output[0] = neg.input[0] = "a/1:0"
    neg.output[0] = absolute.input[0] = "a_1_0"
    found = write_tflite(canonical(proto))
    assert {"a/1:0", "a_1_0"} <= set(read(found).tensors)
    assert_same(found, proto)


@pytest.mark.parametrize(("precision", "gigabytes"), [("fp32", 2.2), ("fp16", 4.4)])
def test_more_than_two_gigabytes_are_refused_before_they_are_read(
    tmp_path: Path, precision: Precision, gigabytes: float
) -> None:
    rows = int(gigabytes * 1e9) // 4096
    # Of the file only the end is there: reading it would take as much memory.
    with (tmp_path / "hole.bin").open("wb") as file:
        file.truncate(rows * 4096)
    text = "g (float[1, 1024] x) => (float[1, K] y) { [head] y = Gemm <transB = 1> (x, fc) }"
    model = canonical(parse(text, {"fc": np.zeros((5, 1024), np.float32)}))
    model.graph.initializers["fc"].const_value = ir.ExternalTensor(
        *("hole.bin", 0, rows * 4096, ir.DataType.FLOAT),
        shape=ir.Shape([rows, 1024]),
        name="fc",
        base_dir=tmp_path,
    )
    with pytest.raises(UnsupportedModel, match=r"^fc: with it the constants pass 2\.1 GB"):
        write_tflite(model, TfliteOptions(precision=precision))
