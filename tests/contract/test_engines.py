"""What every engine must hold to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import INPUT, MODELS, OFFSET, OUTPUT, SCALE, STEPS

from edgecnn_runtime.engines import engine_class, engine_names
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError, FeedError

FEED = np.random.default_rng(0).random((2, 3, 4, 4), np.float32)


@pytest.fixture(params=ENGINES)
def kind(request: pytest.FixtureRequest) -> type[Engine]:
    return engine_class(request.param)


@pytest.fixture
def engine(kind: type[Engine]) -> Any:
    content = MODELS[kind.name][1]()
    opened = kind.open(content.model, weights=content.weights)
    yield opened
    opened.close()


def check_answer(engine: str, logits: np.ndarray, feed: np.ndarray) -> None:
    expected = feed.mean(axis=(2, 3)) * SCALE + OFFSET
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=STEPS.get(engine, 0))


def test_the_name_is_the_one_it_is_found_by(kind: type[Engine]) -> None:
    assert engine_class(kind.name) is kind
    assert kind.name in engine_names()


def test_the_version_begins_with_a_digit(kind: type[Engine]) -> None:
    assert kind.version()[0].isdigit()


def test_it_is_installed_here(kind: type[Engine]) -> None:
    assert kind.is_installed()


def test_it_opens_the_format_that_it_names(kind: type[Engine]) -> None:
    assert MODELS[kind.name][0] in kind.formats


def test_inputs_and_outputs_are_those_of_the_model(engine: Engine) -> None:
    assert engine.inputs == (INPUT,)
    assert engine.outputs == (OUTPUT,)


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_the_answer_is_right_at_every_batch(engine: Engine, batch: int) -> None:
    feed = np.random.default_rng(batch).random((batch, 3, 4, 4), np.float32)
    found = engine.run({"input": feed})
    assert list(found) == ["logits"]
    assert found["logits"].dtype == np.float32
    check_answer(engine.name, found["logits"], feed)


def test_the_feed_is_left_as_it_was(engine: Engine) -> None:
    feed = FEED.copy()
    engine.run({"input": feed})
    np.testing.assert_array_equal(feed, FEED)


def test_an_answer_is_not_overwritten_by_the_next(engine: Engine) -> None:
    first = engine.run({"input": FEED})["logits"]
    kept = first.copy()
    engine.run({"input": FEED * 3})
    np.testing.assert_array_equal(first, kept)


def test_a_feed_that_is_not_contiguous_is_understood(engine: Engine) -> None:
    strided = np.repeat(FEED, 2, axis=3)[..., ::2]
    np.testing.assert_array_equal(
        engine.run({"input": strided})["logits"], engine.run({"input": FEED})["logits"]
    )


@pytest.mark.parametrize("threads", [1, 2, None])
def test_threads_do_not_change_the_answer(kind: type[Engine], threads: int | None) -> None:
    content = MODELS[kind.name][1]()
    opened = kind.open(content.model, weights=content.weights, threads=threads)
    check_answer(kind.name, opened.run({"input": FEED})["logits"], FEED)
    opened.close()


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        ({}, "'input' is missing"),
        ({"image": FEED}, "'input' is missing"),
        ({"input": FEED, "mask": FEED}, "no input 'mask'"),
        ({"input": FEED.astype(np.float64)}, "is float64, expected input float32"),
        ({"input": FEED.astype(">f4")}, "is >f4, expected input float32"),
        ({"input": FEED[0]}, "shape 3x4x4, expected input float32 Nx3x4x4"),
        ({"input": FEED[:, :2]}, "shape 2x2x4x4"),
        ({"input": FEED[:0]}, "shape 0x3x4x4"),
        ({"input": FEED.tolist()}, "is a list, expected a numpy array"),
    ],
)
def test_a_wrong_feed_is_named(engine: Engine, feeds: dict[str, Any], says: str) -> None:
    with pytest.raises(FeedError, match=says):
        engine.run(feeds)


def test_after_a_wrong_feed_it_goes_on(engine: Engine) -> None:
    with pytest.raises(FeedError):
        engine.run({})
    assert engine.run({"input": FEED})["logits"].shape == (2, 3)


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run({"input": FEED})


THREADS = """
import os, sys, time
import numpy as np
from conftest import MODELS
from edgecnn_runtime.engines import engine_class

content, kind = MODELS[sys.argv[1]][1](), engine_class(sys.argv[1])
kind.version()
before = len(os.listdir("/proc/self/task"))
model = kind.open(content.model, weights=content.weights, threads=int(sys.argv[2]))
counts = []
for _ in range(40):
    model.run({"input": np.zeros((1, 3, 4, 4), np.float32)})
    time.sleep(0.02)
    counts.append(len(os.listdir("/proc/self/task")) - before)
# Those that only opened the model are gone by then.
print(max(counts[-10:]))
"""


def threads_made(kind: type[Engine], threads: int) -> int:
    """Threads that a fresh process has more after opening and running a model."""
    ran = subprocess.run(
        [sys.executable, "-c", THREADS, kind.name, str(threads)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return int(ran.stdout)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in Linux's /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a second thread takes a second core")
@pytest.mark.parametrize("name", [name for name in ENGINES if name != "fake"])
def test_more_threads_work_when_more_are_asked_for(name: str) -> None:
    kind = engine_class(name)
    alone = threads_made(kind, 1)
    # A second thread begins once there is work to take: on a busy machine, not in every process.
    assert any(threads_made(kind, 2) > alone for _ in range(6))


@pytest.mark.parametrize("model", [b"", b"no model", bytes(1000)])
@pytest.mark.parametrize("weights", [None, b"", b"weights"])
def test_bytes_that_are_no_model_are_refused(
    kind: type[Engine], model: bytes, weights: bytes | None
) -> None:
    with pytest.raises(EngineError, match=f"{kind.name} refuses the model"):
        kind.open(model, weights=weights)


def test_weights_that_do_not_belong_to_the_model_are_refused(kind: type[Engine]) -> None:
    content = MODELS[kind.name][1]()
    others = None if content.weights is None else content.weights[:-1]
    wrong = [b"weights"] if others is None else [None, b"", others]
    for weights in wrong:
        with pytest.raises(EngineError, match=f"{kind.name} refuses the model"):
            kind.open(content.model, weights=weights)


def test_a_model_cut_short_is_refused(kind: type[Engine]) -> None:
    content = MODELS[kind.name][1]()
    with pytest.raises(EngineError, match=f"{kind.name} refuses the model"):
        kind.open(content.model[: len(content.model) // 2], weights=content.weights)


def test_an_unknown_engine_is_answered_with_the_known() -> None:
    with pytest.raises(EngineError, match="no engine is called 'tensorrt'; there are onnxruntime"):
        engine_class("tensorrt")
