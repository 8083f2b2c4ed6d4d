"""`open` on real engines: a bundle with fp32 for ONNX Runtime and int8 for native."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import contents, fake_model, red_image
from unit.runtime.choice.both import PLAN, latency, write_both

import edgecnn_runtime as edge
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.choice import fastest as module
from edgecnn_runtime.choice.kept import keep_latencies
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.host.processor import Processor

VNNI = Processor("EPYC", "x86_64", ("avx2", "avx512_vnni"))
SSE = Processor("Core 2", "x86_64", ("sse4_1",))


@pytest.fixture(autouse=True)
def _own_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_MEASURED", str(tmp_path / "measured"))


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return write_both(tmp_path / "both.edge")


def taken(path: Path, **chosen: object) -> tuple[str, str]:
    with edge.open(path, **chosen) as model:
        assert model.precision == model.artefact.precision
        assert model.reason
        return model.artefact.path, model.engine.name


def test_int8_by_native_is_taken_and_fp32_on_request(
    both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "this_processor", lambda: VNNI)
    with edge.open(both) as model:
        assert (model.engine.name, model.precision) == ("native", "int8")
        assert model.reason == "by the order for x86-64 with VNNI"
        assert model.classify(red_image())[0].label == "red"
    assert taken(both, precision="fp32") == ("model.onnx", "onnxruntime")
    assert taken(both, engine="onnxruntime") == ("model.onnx", "onnxruntime")
    assert taken(both, artefact="model.onnx") == ("model.onnx", "onnxruntime")
    monkeypatch.setattr(module, "this_processor", lambda: SSE)
    assert taken(both) == ("model.onnx", "onnxruntime")


def test_the_reason_of_what_was_named_is_that_nothing_else_fits(both: Path) -> None:
    for named in ({"artefact": PLAN}, {"engine": "native"}):
        with edge.open(both, **named) as model:
            assert model.reason == "nothing else fits what is named"
    with edge.open(both, precision="fp32") as model:
        assert model.reason == "nothing else fits and is installed"


def test_a_precision_that_the_engine_lacks_is_refused_with_what_it_has(both: Path) -> None:
    with pytest.raises(EngineError, match=rf"does not run .*: onnx; it runs {PLAN} \(int8\)$"):
        edge.open(both, engine="native", precision="fp32")


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_a_number_of_threads_that_is_none_is_refused(both: Path, threads: object) -> None:
    with pytest.raises(ValueError, match=r"threads is .*, expected a whole number from 1 on"):
        edge.open(both, threads=threads)  # type: ignore[call-overload]


def test_what_was_measured_here_is_taken(both: Path) -> None:
    rows = [latency(both, "model.onnx", 0.01), latency(both, PLAN, 0.02)]
    keep_latencies(rows)
    with edge.open(both) as model:
        assert model.engine.name == "onnxruntime"
        assert model.reason.startswith("fastest of 2 measured on this machine, 2026-11-30")
    keep_latencies([rows[0]._replace(median_ms=0.03)])
    assert taken(both) == (PLAN, "native")


@pytest.mark.parametrize(
    "other",
    [{"package": "onnxruntime 1.0"}, {"processor": "another"}, {"features": ()}, {"threads": 1024}],
)
def test_measurements_of_another_version_or_processor_are_none(
    both: Path, other: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_latencies([latency(both, "model.onnx", 0.01, **other), latency(both, PLAN, 0.02, **other)])
    assert edge.open(both).reason.startswith("by the order for")


def test_the_bundle_may_say_what_is_fastest_on_such_a_processor(both: Path, tmp_path: Path) -> None:
    rows = [latency(both, "model.onnx", 0.01), latency(both, PLAN, 0.02)]
    rows = [row._replace(package="of a board 1") for row in rows]
    told = write_both(tmp_path / "told.edge", measured=[row.to_json() for row in rows])
    with edge.open(told) as model:
        assert model.engine.name == "onnxruntime"
        assert "as the bundle says" in model.reason
    for nonsense in ("fast", [1, None], [{"engine": "native"}], {"rows": []}):
        path = write_both(tmp_path / "nonsense.edge", measured=nonsense)
        assert edge.open(path).reason.startswith("by the order for")


def test_an_engine_that_refuses_is_passed_over_unless_it_is_named(tmp_path: Path) -> None:
    from edgecnn_runtime.bundle.limits import plan

    header = plan._HEADER.pack(b"EDGEPLAN", 99, 0x01020304, 64, 0, 0, 0, 0, 0, 0, 0)
    path = write_both(tmp_path / "refused.edge", header)
    with edge.open(path) as model:
        assert model.engine.name == "onnxruntime"
        assert model.reason.startswith("the next by the order for")
        assert "passed over: model.int8.plan with native (native refuses the model" in model.reason
    for named in ({"engine": "native"}, {"artefact": PLAN}):
        with pytest.raises(EngineError, match="native refuses the model"):
            edge.open(path, **named)


def test_a_weak_artefact_is_not_taken_by_itself(tmp_path: Path) -> None:
    weak = write_both(tmp_path / "weak.edge", is_weak=True)
    assert taken(weak) == ("model.onnx", "onnxruntime")
    assert taken(weak, precision="int8") == (PLAN, "native")


def test_wrong_answers_in_a_bench_here_are_not_taken(both: Path) -> None:
    keep_latencies([latency(both, PLAN, None, verdict="differs")])
    assert taken(both) == ("model.onnx", "onnxruntime")
    assert taken(both, engine="native") == (PLAN, "native")
    with pytest.raises(EngineError, match="wrong answers in a bench"):
        edge.open(both, precision="int8")


def test_the_double_is_taken_where_nothing_else_is(tmp_path: Path) -> None:
    write_bundle(tmp_path / "fake.edge", *contents("fake", fake_model()))
    assert taken(tmp_path / "fake.edge") == ("model.fake", "fake")


def test_the_choice_imports_no_engine_but_the_one_that_it_takes(both: Path) -> None:
    script = f"""
import sys
import edgecnn_runtime as edge
with edge.open({str(both)!r}) as model:
    assert model.engine.name == "native", model.reason
heavy = {{"onnxruntime", "openvino", "ai_edge_litert", "importlib.metadata", "subprocess"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


def test_answers_do_not_depend_on_the_number_of_threads(both: Path) -> None:
    feed = {"input": np.random.default_rng(0).random((1, 3, 4, 4), np.float32)}
    answers = []
    for threads in (None, 1, 2):
        with edge.open(both, engine="native", threads=threads) as model:
            answers.append(model.run(feed)["logits"])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[1], answers[2])
