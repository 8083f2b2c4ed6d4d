"""What every target holds to: `edgecnn_exporters.targets.Target`."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any, get_args

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets import (
    ANSWERED,
    TARGETS,
    About,
    Precision,
    Target,
    UnknownTarget,
    artefact_path,
    make_target,
    target_class,
    target_names,
)
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.manifest import ProofKind

EVERY = pytest.mark.parametrize("name", TARGETS)


def real() -> ir.Model:
    weight = np.random.default_rng(0).standard_normal((4, 3, 1, 1)).astype(np.float32)
    model = network("y = Conv (x, w)", {"w": weight}, reads="float[N, 3, 6, 6] x")
    canonicalise(model)
    return model


def integer() -> ir.Model:
    samples = np.random.default_rng(1).standard_normal((8, 1, 3, 6, 6)).astype(np.float32)
    return quantise(real(), list(samples), QuantConfig("fast")).model


@EVERY
def test_it_declares_what_it_is(name: str) -> None:
    target = make_target(name)
    assert target.name == name
    assert set(target.precisions) <= set(get_args(Precision))
    assert target.proof in get_args(ProofKind)
    assert target.suffixes
    assert all(suffix.startswith(".") for suffix in target.suffixes)


@EVERY
def test_its_engine_opens_its_format(name: str) -> None:
    target = make_target(name)
    if target.engine is None:
        assert target.proof not in ANSWERED
    else:
        assert target.format in engine_class(target.engine).formats


@EVERY
def test_its_options_are_frozen_and_have_defaults(name: str) -> None:
    options: Any = target_class(name).options_type()
    assert is_dataclass(options)
    assert make_target(name).options == options
    for field in fields(options):
        with pytest.raises(FrozenInstanceError):
            setattr(options, field.name, None)


@EVERY
def test_what_it_writes_is_as_declared_and_opens(name: str) -> None:
    target = make_target(name)
    for precision in target.precisions:
        model = integer() if precision == "int8" else real()
        before = to_bytes(model)
        translated = target.translate(model, precision, About("net"))
        assert to_bytes(model) == before, "the model stays as it is"
        artefact = translated.artefact
        assert (artefact.format, artefact.precision) == (target.format, precision)
        paths = tuple(artefact_path(precision, suffix) for suffix in target.suffixes)
        assert artefact.paths == paths
        assert set(translated.files) == set(paths)
        if target.engine is not None:
            engine = engine_class(target.engine)
            engine.open(translated.model, weights=translated.weights).close()


def test_no_two_targets_write_the_same_file() -> None:
    paths = [
        artefact_path(precision, suffix)
        for target in map(make_target, TARGETS)
        for precision in target.precisions
        for suffix in target.suffixes
    ]
    assert len(paths) == len(set(paths))


def test_settings_reach_the_options_of_the_target() -> None:
    target: Target = make_target("tflite", {"io": "int8"})
    assert target.options.io == "int8"
    assert target.options.most_transposes is None


def test_an_unknown_target_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownTarget, match=r"'coreml'; there are onnx, tflite, openvino"):
        make_target("coreml")
    assert list(target_names())[: len(TARGETS)] == list(TARGETS)
