from __future__ import annotations

import onnx
import pytest

from edgecnn_exporters.gradient.table import CONSTANT, REFUSED, RULES
from edgecnn_exporters.quantise.graph.rules import RULES as QUANTISED
from edgecnn_exporters.quantise.trainable.operators import OPERATORS as TRAINABLE
from edgecnn_exporters.targets.tflite.operators.table import OPERATORS as WRITTEN

# What the exporter translates, and operators of networks that stay ONNX.
OPERATORS = sorted(
    {*WRITTEN, *TRAINABLE, *QUANTISED}
    | {"ConstantOfShape", "Einsum", "GroupNormalization", "HardSigmoid", "InstanceNormalization"}
    | {"Mish", "PRelu", "Selu", "Shape", "Softplus", "Softsign", "Swish", "TopK", "Where"}
)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_of_canonical_graphs_has_a_rule_is_constant_or_is_refused(
    operator: str,
) -> None:
    assert [operator in table for table in (RULES, CONSTANT, REFUSED)].count(True) == 1


def test_no_operator_stands_in_two_tables() -> None:
    names = [*RULES, *CONSTANT, *REFUSED]
    assert sorted(names) == sorted(set(names))


def test_every_operator_is_one_of_onnxs() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert {*RULES, *CONSTANT, *REFUSED} <= known


def test_operators_of_opset_18_without_a_place_are_those_that_no_cnn_has() -> None:
    schemas = onnx.defs.get_all_schemas_with_history()
    known = {each.name for each in schemas if each.domain == "" and each.since_version <= 18}
    trigonometric = {"Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan"}
    signals = {"BlackmanWindow", "DFT", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT"}
    integer = {"ConvInteger", "DynamicQuantizeLinear", "MatMulInteger"}
    quantised = {"QLinearConv", "QLinearMatMul"}
    texts = {"StringNormalizer", "TfIdfVectorizer"}
    losses = {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}
    sequences = {name for name in known if "Sequence" in name or name.startswith("Optional")}
    withdrawn = {"Scatter", "Upsample"}
    rest = {"CastLike", "CenterCropPad", "Col2Im", "Constant", "Det", "Multinomial", "OneHot"}
    rest |= {"Range", "Shrink", "Trilu", "Unique"}
    left = trigonometric | signals | integer | quantised | texts | losses | sequences | withdrawn
    assert known - {*RULES, *CONSTANT, *REFUSED} == left | rest
