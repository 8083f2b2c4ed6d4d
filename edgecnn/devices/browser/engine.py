"""A model that a page in a browser has opened, as the runtime sees an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import PageFailed
from edgecnn.web.browser import SOFTWARE_WEBGPU, WEBGPU, WITHOUT_GPU, Browser
from edgecnn.web.engines import WebEngine, engine_files, script_files
from edgecnn.web.page import Page, open_page
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.tensor_spec import TensorSpec

MEASURE = ("measure.html", "measure.js", "serve.js", "messages.js", "engines.js", "native.js")


class PageModel:
    """A model in a page: `run` carries arrays there and back, `block` is timed by the page."""

    def __init__(self, page: Page, engine: WebEngine, model: bytes, threads: int) -> None:
        """Open the model in the page.

        Raises:
            EngineError: the engine refuses it.
            BrowserDied: the browser ended meanwhile.
        """
        self.name = engine.name
        self._page = page
        self._version = engine.version
        fields, _ = _ask(page, engine.name, request("open", engine, threads), {"model": raw(model)})
        self.inputs, self.outputs = (
            tuple(TensorSpec(one["name"], one["dtype"], tuple(one["shape"])) for one in fields[key])
            for key in ("inputs", "outputs")
        )

    def version(self) -> str:
        return self._version

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        check_feeds(self.inputs, feeds)
        _, outputs = _ask(self._page, self.name, {"do": "run"}, feeds)
        return outputs

    def feed(self, feeds: Mapping[str, Array]) -> None:
        """Leave the input of every later `block` in the page."""
        check_feeds(self.inputs, feeds)
        _ask(self._page, self.name, {"do": "feed"}, feeds)

    def block(self, runs: int) -> list[float]:
        """Milliseconds of each of `runs` runs, one right after the other, by the page's clock."""
        fields, _ = _ask(self._page, self.name, {"do": "block", "runs": runs})
        samples: list[float] = fields["samples_ms"]
        return samples

    def close(self) -> None:
        """No effect: the model ends with its page."""


@contextlib.contextmanager
def engine_page(
    browser: Browser, engine: WebEngine, *, is_software_gpu: bool = False
) -> Iterator[Page]:
    """A page with an engine's files, in a browser of its own.

    Raises:
        FetchError: the files are not there and cannot be fetched.
    """
    files: dict[str, Path] = {**engine_files(engine), **script_files(MEASURE)}
    flags: tuple[str, ...] = WITHOUT_GPU
    if engine.accelerator == "webgpu":
        flags = SOFTWARE_WEBGPU if is_software_gpu else WEBGPU
    with open_page(browser, files, MEASURE[0], flags=flags) as page:
        yield page


def request(task: str, engine: WebEngine, threads: int) -> dict[str, Any]:
    """A request that opens a model."""
    how = {"library": engine.library, "accelerator": engine.accelerator, "threads": threads}
    return {"do": task, **how}


def raw(content: bytes) -> Array:
    """The bytes of a file as an array."""
    return np.frombuffer(content, np.uint8)


def identity_of(engine: WebEngine, browser: Browser) -> EngineId:
    """Name and version of an engine and, since it decides the speed as well, of the browser."""
    version = f"{engine.version} ({engine.accelerator}, {browser.label})"
    return EngineId(engine.library, version, engine.package)


def _ask(
    page: Page, engine: str, fields: Mapping[str, Any], arrays: Mapping[str, Array] | None = None
) -> tuple[dict[str, Any], dict[str, Array]]:
    try:
        return page.ask(fields, arrays)
    except PageFailed as error:
        raise EngineError(f"{engine} failed: {error}") from error
