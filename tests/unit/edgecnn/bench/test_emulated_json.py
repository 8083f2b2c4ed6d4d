"""The rows of an emulated board as JSON values."""

from __future__ import annotations

import json

from unit.edgecnn.bench.events import INT8

from edgecnn.bench.emulated import Likeness, Proved, ProvedRow
from edgecnn.results.bench import EmulatedResult
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.parity.row import Parity

LITERT = EngineId("tflite", "2.3.0", "ai-edge-litert")


def test_engines_are_labels_and_their_parts() -> None:
    parity = Parity("model.int8.tflite", LITERT, "int8", "equal", None, "≥ 27.0 dB")
    here = ProvedRow(INT8, parity, Likeness(LITERT, is_identical=True))
    crashed = ProvedRow(INT8, parity, Likeness(None, note="crashed on this machine"))
    found = Proved("rpi4-emulated", "a board", (here, crashed))
    first, second = json.loads(json.dumps(EmulatedResult((found,)).to_dict()))["devices"][0]["rows"]
    label = "tflite 2.3.0 (ai_edge_litert)"
    assert (first["parity"]["engine"], first["likeness"]["engine"]) == (label, label)
    assert first["likeness"]["engine_id"]["package"] == "ai-edge-litert"
    assert (second["likeness"]["engine"], second["likeness"]["engine_id"]) == ("", None)
    assert first["subject"]["artefact"] == "model.int8.tflite"
