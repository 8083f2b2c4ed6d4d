"""Acceptance of artefacts by a target that writes for the engine that is always there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest
from conftest import OFFSET, SCALE, contents, fake_model

from edgecnn_exporters.bundle.accept import Acceptance
from edgecnn_exporters.bundle.examples import Examples
from edgecnn_exporters.capture.reference import references
from edgecnn_exporters.errors import TargetDiffers
from edgecnn_exporters.targets import (
    About,
    NoOptions,
    Precision,
    TargetInvalid,
    Translated,
)
from edgecnn_runtime.engines.fake import FakeEngine
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.manifest import Artefact, Manifest, ProofKind
from edgecnn_runtime.parity.difference import find_groups

FEED = np.random.default_rng(0).random((1, 3, 4, 4), np.float32)
EXPECTED = {"logits": FEED.mean(axis=(2, 3)) * SCALE + OFFSET}
EXAMPLES = Examples([(FEED, EXPECTED)], [], find_groups(references([(FEED, EXPECTED)])))
# A QDQ graph whose arithmetic is 1 % off the original.
QDQ = onnx.parser.parse_model(
    f"""
    <ir_version: 9, opset_import: ["": 18]>
    net (float[N, 3, 4, 4] input) => (float[N, 3] logits)
    <float scale = {{{SCALE * 1.01}}}, float offset = {{{OFFSET}}}, int64[2] axes = {{2, 3}}>
    {{
        mean = ReduceMean <keepdims = 0> (input, axes)
        scaled = Mul (mean, scale)
        logits = Add (scaled, offset)
    }}
    """
).SerializeToString()


@dataclass(frozen=True)
class Double:
    """A target whose artefact computes `scale` times the mean, and `exact_scale` times it exactly.

    Without an `exact_scale` no fault of the processor is known.
    """

    scale: float = SCALE
    exact_scale: float | None = None
    proof: ProofKind = "measured"
    engine: str | None = "fake"
    options: NoOptions = field(default_factory=NoOptions)

    name: ClassVar[str] = "double"
    format: ClassVar[str] = "fake"
    suffixes: ClassVar[tuple[str, ...]] = (".fake",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "int8")
    options_type: ClassVar[type[NoOptions]] = NoOptions

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        path = f"double.{precision}.fake"
        files = {path: scaled(self.scale)}
        return Translated(self, Artefact(path, self.format, precision), files, {})

    def open_exact(self, translated: Translated) -> Engine | None:
        return None if self.exact_scale is None else FakeEngine.open(scaled(self.exact_scale))


def scaled(scale: float) -> bytes:
    return json.dumps(json.loads(fake_model()) | {"scale": scale}).encode()


@pytest.fixture
def manifest() -> Manifest:
    made, _ = contents()
    return made


def accepted(target: Double, precision: Precision, manifest: Manifest) -> Artefact:
    graph = ir.Graph([], [], nodes=[])
    translated = target.translate(ir.Model(graph, ir_version=10), precision, About("net"))
    return Acceptance(manifest, EXAMPLES, QDQ).accept(translated).artefact


def test_an_artefact_that_answers_as_the_original_is_accepted(manifest: Manifest) -> None:
    assert accepted(Double(), "fp32", manifest).path == "double.fp32.fake"


def test_one_that_answers_otherwise_is_refused_by_the_name_of_its_target(
    manifest: Manifest,
) -> None:
    with pytest.raises(TargetDiffers, match=r"double\.fp32\.fake differs.*--target double"):
        accepted(Double(SCALE * 1.01), "fp32", manifest)


def test_int8_is_held_to_the_float_arithmetic_of_its_graph(manifest: Manifest) -> None:
    near = accepted(Double(SCALE * 1.01), "int8", manifest)
    assert near.sqnr_db["logits"][0] > 15
    with pytest.raises(TargetDiffers, match=r"dB \(logits.*as its 8-bit graph has"):
        accepted(Double(SCALE * 2), "int8", manifest)


def test_int8_that_the_processor_spoils_is_accepted_by_its_exact_engine(
    manifest: Manifest,
) -> None:
    spoilt = Double(SCALE * 2, exact_scale=SCALE * 1.01)
    near = accepted(Double(SCALE * 1.01), "int8", manifest)
    assert accepted(spoilt, "int8", manifest).sqnr_db == near.sqnr_db
    with pytest.raises(TargetDiffers):
        accepted(Double(SCALE * 2, exact_scale=SCALE * 3), "int8", manifest)


def test_what_nothing_runs_is_accepted_as_compiled(manifest: Manifest) -> None:
    blackbox = Double(SCALE * 2, proof="compiled only", engine=None)
    assert accepted(blackbox, "int8", manifest).sqnr_db == {}


def test_a_proof_by_answers_needs_an_engine(manifest: Manifest) -> None:
    with pytest.raises(TargetInvalid, match="names no engine"):
        accepted(Double(engine=None), "fp32", manifest)
