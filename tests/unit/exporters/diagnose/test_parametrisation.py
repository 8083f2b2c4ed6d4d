"""Reparametrised values are no fault; a changed function is."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from parity.faults.networks import Built, shipped

from edgecnn_exporters.diagnose.compare import compare
from edgecnn_exporters.diagnose.parametrisation import reparametrise
from edgecnn_exporters.diagnose.sources import OnnxCandidate, reference_values
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.quantise.steps.equalise import equalise


@pytest.fixture(scope="module")
def built() -> Built:
    return shipped("resnet20")


@pytest.fixture(scope="module")
def equalised(built: Built) -> ir.Model:
    """The QDQ graph of the network after equalisation."""
    model = built.model.clone()
    equalise(model)
    samples = np.split(built.pictures(8), 8)
    return quantise(model, samples, QuantConfig(recipe="fast")).model


def test_the_reparametrised_reference_computes_the_same(built: Built, equalised: ir.Model) -> None:
    reparametrised = reparametrise(built.model, equalised)
    assert reparametrised is not built.model
    before = reference_values(built.model, built.feeds, {"logits"})["logits"]
    after = reference_values(reparametrised, built.feeds, {"logits"})["logits"]
    np.testing.assert_allclose(after, before, atol=1e-5 * np.abs(before).max())


def test_equalised_values_are_compared_as_they_are_scaled(
    built: Built, equalised: ir.Model
) -> None:
    """They differ, but not in the candidate's parametrisation."""
    candidate = OnnxCandidate(equalised, "int8")
    assert compare(built.model, candidate, built.feeds).culprits
    assert not compare(reparametrise(built.model, candidate.model), candidate, built.feeds).culprits


def test_a_float_candidate_is_compared_as_it_is(built: Built) -> None:
    scaled = built.model.clone()
    equalise(scaled)
    assert reparametrise(built.model, scaled) is built.model


def test_a_doubled_weight_is_not_taken_for_equalisation(built: Built, equalised: ir.Model) -> None:
    good, bad = equalised, equalised.clone()
    scale = bad.graph.initializers["layer2.1.conv1.weight.quantised.scale"]
    assert scale.const_value is not None
    scale.const_value = ir.tensor(scale.const_value.numpy() * 2, name=scale.name)
    name = "layer2.1.conv1.weight"
    ours, theirs = (
        reparametrise(built.model, model).graph.initializers[name].const_value
        for model in (good, bad)
    )
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=0.02)
