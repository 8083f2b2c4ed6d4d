"""Threads that share a session: every answer is that of its own input, on every engine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import INPUT, MODELS, OUTPUT, contents, fake_model
from PIL import Image

import edgecnn_runtime as edge
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import is_thread_safe
from edgecnn_runtime.engines.fake import FakeEngine
from edgecnn_runtime.engines.once import once
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.session import Session

KEPT = Path(__file__).parents[1] / "data/bundles/lenet5.edge"
# The kept bundle is older than plans.
REAL = [name for name, entry in ENGINES.items() if not entry.is_double and name != "native"]
THREADS = 4
RUNS = 100


def together(work: Callable[[int], None]) -> None:
    """Call `work` with 0, 1, … in as many threads, which begin at the same moment."""
    start = threading.Barrier(THREADS)

    def begin(number: int) -> None:
        start.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(begin, range(THREADS)))


@pytest.fixture(params=[(name, kind) for name in REAL for kind in ("fp32", "int8")], ids="-".join)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    engine, precision = request.param
    with edge.open(KEPT, engine=engine, precision=precision, threads=1) as opened:
        yield opened


def test_each_thread_gets_the_answer_of_its_own_input(session: Session) -> None:
    random = np.random.default_rng(0)
    feeds = [{"input": random.normal(0, 2, (1, 1, 28, 28)).astype(np.float32)} for _ in range(4)]
    alone = [session.run(feed)["logits"] for feed in feeds]
    answers: dict[int, list[Any]] = {}

    def run(number: int) -> None:
        answers[number] = [session.run(feeds[number])["logits"] for _ in range(RUNS)]

    together(run)
    for number, expected in enumerate(alone):
        # Kept until the end: an answer in an engine's own memory would be the last one's by then.
        np.testing.assert_array_equal(np.stack(answers[number]), np.stack([expected] * RUNS))


def test_each_thread_gets_the_class_of_its_own_image(session: Session) -> None:
    images = [np.random.default_rng(n).integers(0, 256, (90, 60 + n), np.uint8) for n in range(4)]
    alone = [session.classify(image) for image in images]
    answers: dict[int, list[Any]] = {}

    def classify(number: int) -> None:
        answers[number] = [session.classify(images[number]) for _ in range(RUNS // 4)]

    together(classify)
    assert answers == {number: [best] * (RUNS // 4) for number, best in enumerate(alone)}


@pytest.mark.parametrize("library", ["PIL.Image", "torch"])
def test_images_are_read_while_another_thread_imports_a_library_of_images(
    tmp_path: Path, library: str
) -> None:
    """A module is in `sys.modules` long before its classes are in it."""
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    (tmp_path / "first.py").write_text(
        "import sys, threading, types\n"
        "from edgecnn_runtime.errors import ImageError\n"
        "from edgecnn_runtime.image.load import load_image\n"
        f"sys.modules[{library!r}] = types.ModuleType({library!r})\n"
        "for source in (object(), [1]):\n"
        "    try:\n"
        "        load_image(source)\n"
        "    except ImageError:\n"
        "        print('refused')\n"
        f"del sys.modules[{library!r}]\n"
        "def read():\n"
        "    start.wait()\n"
        "    print(load_image('image.png').shape)\n"
        "start = threading.Barrier(4)\n"
        "for _ in range(4):\n"
        "    threading.Thread(target=read).start()\n"
    )
    command = [sys.executable, "first.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n")[:2] == ["refused"] * 2, ran.stderr
    assert ran.stdout.count("(8, 8, 3)") == 4, ran.stderr


def test_batches_of_different_sizes_may_be_run_at_the_same_time(session: Session) -> None:
    feeds = [np.full((1 + number, 1, 28, 28), number, np.float32) for number in range(THREADS)]
    alone = [session.run({"input": feed})["logits"] for feed in feeds]

    def run(number: int) -> None:
        for _ in range(RUNS // 4):
            found = session.run({"input": feeds[number]})["logits"]
            np.testing.assert_array_equal(found, alone[number])

    together(run)


def test_a_model_that_is_closed_meanwhile_answers_rightly_or_says_so(session: Session) -> None:
    feed = {"input": np.ones((1, 1, 28, 28), np.float32)}
    alone = session.run(feed)["logits"]
    said = []

    def run(number: int) -> None:
        if number == 0:
            time.sleep(0.01)
            session.close()
            return
        try:
            while True:
                np.testing.assert_array_equal(session.run(feed)["logits"], alone)
        except EngineError as error:
            said.append(str(error))

    together(run)
    assert said == ["the model is closed; open it again"] * (THREADS - 1)


class Single(FakeEngine):
    """An engine of a third party that notices a second thread."""

    is_thread_safe = False
    within = 0

    def run(self, feeds: Any) -> Any:
        self.within += 1
        assert self.within == 1, "two threads are in the engine"
        time.sleep(0.001)
        self.within -= 1
        return super().run(feeds)

    def close(self) -> None:
        assert self.within == 0, "closed in the middle of a run"
        super().close()


def open_single(path: Path) -> Session:
    manifest, files = contents()
    write_bundle(path, manifest, files)
    return Session(manifest, manifest.artefacts[0], Single.open(fake_model()), ())


def test_an_engine_that_does_not_say_so_is_given_to_one_thread_at_a_time(tmp_path: Path) -> None:
    session = open_single(tmp_path / "single.edge")
    feed = {"input": np.zeros((1, 3, 4, 4), np.float32)}

    def run(number: int) -> None:
        with contextlib.suppress(EngineError):
            for _ in range(5):
                session.run(feed)
        if number == 0:
            session.close()

    together(run)
    with pytest.raises(EngineError, match="closed"):
        session.run(feed)


def test_a_signal_handler_may_close_a_model_in_the_middle_of_a_run(tmp_path: Path) -> None:
    session = open_single(tmp_path / "single.edge")

    class Closing(Single):
        def run(self, feeds: Any) -> Any:
            session.close()  # as a handler does: in the thread that runs
            return {}

    session.engine = Closing((INPUT,), (OUTPUT,), 1.0, 0.0)
    done = threading.Thread(target=lambda: session.run({}), daemon=True)
    done.start()
    done.join(5)
    assert not done.is_alive()


@pytest.mark.parametrize(("name", "expected"), [("onnxruntime", True), ("tflite", False)])
def test_what_an_engine_says_reaches_through_its_adapter(name: str, expected: bool) -> None:
    with edge.open(KEPT, engine=name, precision="int8") as session:
        assert is_thread_safe(session.engine) is expected


@pytest.mark.parametrize("name", MODELS)
def test_threads_may_open_a_model_each(name: str) -> None:
    content, kind = MODELS[name][1](), engine_class(name)
    answers = {}

    def run(number: int) -> None:
        model = kind.open(content.model, weights=content.weights, threads=1)
        answers[number] = model.run({"input": np.ones((1, 3, 4, 4), np.float32)})["logits"]

    together(run)
    assert all((answer == 3).all() for answer in answers.values())


def test_what_is_made_once_is_made_once() -> None:
    calls = []

    @once
    def made() -> object:
        calls.append(time.sleep(0.01))
        return object()

    found = []
    together(lambda number: found.append(made()))
    assert len(calls) == len(set(map(id, found))) == 1
