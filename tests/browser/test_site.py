"""The page that classifies photographs, visited in the real browser."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser.real import real_browser, write_brightest
from PIL import Image

from edgecnn.site.write import write_site
from edgecnn.web.engines import script_files
from edgecnn.web.page import Page, open_page

pytestmark = pytest.mark.network
BROWSER = real_browser()
HERE = Path(__file__).parent
MARKUP = "<img src=x onerror=alert(1)> green"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = f"red\n{MARKUP}\nblue\n".encode()
    return write_brightest(tmp_path_factory.mktemp("site") / "brightest.edge", labels=labels)


@contextmanager
def visited(folder: Path, *, is_isolated: bool = True) -> Iterator[Page]:
    site = {
        f"site/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()
    }
    driver = {name: HERE / name for name in ("visitor.html", "visitor.js")}
    scripts = script_files(("serve.js", "messages.js", "engines.js", "native.js"))
    files = {**site, **driver, **scripts}
    with open_page(BROWSER, files, "visitor.html", is_isolated=is_isolated) as page:
        assert page.ask({"do": "ready"}, timeout_s=60)[0] == {"ready": "yes", "problem": ""}
        yield page


def choose(page: Page, file: bytes, name: str = "a.png", type: str = "image/png") -> dict[str, Any]:
    request = {"do": "choose", "name": name, "type": type}
    return page.ask(request, {"file": np.frombuffer(file, np.uint8)}, timeout_s=60)[0]


def coloured(channel: int) -> bytes:
    """A picture of one colour, of odd sizes."""
    levels = np.zeros((31, 17, 3), np.uint8)
    levels[..., channel] = 200
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize("engine", ["native-web", "litert.js", "onnxruntime-web"])
def test_a_photograph_goes_in_and_its_class_comes_out(
    bundle: Path, tmp_path: Path, engine: str
) -> None:
    site = write_site(bundle, tmp_path / "site", engine=engine)
    assert site.engine.name == engine
    with visited(site.folder) as page:
        answer = choose(page, coloured(0))
        assert answer["labels"][0] == "red"
        # softmax of 1 + 2 × 200 / 255, 1 and 1; the plan's steps of 1/255 give the same tenths
        assert answer["scores"] == ["70.6 %", "14.7 %", "14.7 %"]
        has_threads = engine != "native-web" and "on 2 threads" in answer["latency"]
        assert has_threads or "on one thread" in answer["latency"]
        assert f"on {engine}" in answer["facts"]
        assert not answer["tooWide"]
        green = choose(page, coloured(1))
        assert green["labels"][0] == MARKUP
        assert green["elements"] == 0
        refused = choose(page, b"no picture", "a.jpg", "image/jpeg")
        assert refused["problem"].startswith("This file is no picture")
        assert (refused["labels"], refused["latency"]) == ([], "")


def test_a_network_that_fails_is_told_from_a_file_that_is_no_picture(
    bundle: Path, tmp_path: Path
) -> None:
    site = write_site(bundle, tmp_path / "site")
    path = site.folder / "network.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"output": {"name": "none"}}), encoding="utf-8")
    with visited(site.folder) as page:
        assert choose(page, coloured(0))["problem"].startswith("The network gives no answer: ")


def test_the_camera_is_asked_for_once_and_stops(bundle: Path, tmp_path: Path) -> None:
    with visited(write_site(bundle, tmp_path / "site").folder) as page:
        answer = page.ask({"do": "film"}, timeout_s=60)[0]
    assert answer == {"asked": 1, "label": "blue", "tracks": "ended", "left": 0}


def test_without_isolation_it_works_on_one_thread(bundle: Path, tmp_path: Path) -> None:
    site = write_site(bundle, tmp_path / "site")
    with visited(site.folder, is_isolated=False) as page:
        answer = choose(page, coloured(2))
    assert answer["labels"][0] == "blue"
    assert "on one thread" in answer["latency"]
