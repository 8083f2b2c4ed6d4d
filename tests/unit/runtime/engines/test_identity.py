"""Identity of an engine, as text and as JSON."""

from __future__ import annotations

import json

import pytest

from edgecnn_runtime.engines import engine_class, engine_names
from edgecnn_runtime.engines.engine_id import (
    EngineId,
    engine_fields,
    engine_from_fields,
    engine_id,
)
from edgecnn_runtime.engines.table import ENGINES, PACKAGES

LITERT = EngineId("tflite", "2.3.0", "ai-edge-litert")
TFLITE_RUNTIME = EngineId("tflite", "2.14.0", "tflite-runtime")
ONNXRUNTIME = EngineId("onnxruntime", "1.32.0", "onnxruntime")
IDS = (LITERT, TFLITE_RUNTIME, ONNXRUNTIME, EngineId("tflite"))


def test_the_label_names_the_module_where_an_engine_has_several_packages() -> None:
    assert [one.label for one in IDS] == [
        "tflite 2.3.0 (ai_edge_litert)",
        "tflite 2.14.0 (tflite_runtime)",
        "onnxruntime 1.32.0",
        "tflite",
    ]


def test_a_person_reads_the_second_package_of_an_engine_by_its_own_name() -> None:
    assert [one.words() for one in IDS] == [
        "tflite 2.3.0",
        "tflite-runtime 2.14.0",
        "onnxruntime 1.32.0",
        "tflite",
    ]


@pytest.mark.parametrize("one", IDS)
def test_json_gives_back_what_was_written(one: EngineId) -> None:
    assert engine_from_fields(json.loads(json.dumps(engine_fields(one)))) == one


@pytest.mark.parametrize("one", IDS)
def test_results_that_were_kept_with_the_label_alone_are_read(one: EngineId) -> None:
    assert engine_from_fields({"engine": one.label}) == one


def test_no_engine_is_an_empty_label() -> None:
    assert engine_fields(None) == {"engine": "", "engine_id": None}
    assert engine_from_fields(engine_fields(None)) is None
    assert engine_from_fields({}) is None


@pytest.mark.parametrize("name", ENGINES)
def test_an_installed_engine_tells_the_package_that_it_runs_from(name: str) -> None:
    identity = engine_id(engine_class(name))
    assert identity.name == name
    assert identity.version[0].isdigit()
    assert ENGINES[name].is_double or identity.package in PACKAGES


def test_the_facts_of_a_class_are_those_of_the_table() -> None:
    for name, entry in ENGINES.items():
        kind = engine_class(name)
        assert (kind.name, kind.formats, kind.extra) == (name, entry.formats, entry.extra)
    assert list(engine_names()) == list(ENGINES)
