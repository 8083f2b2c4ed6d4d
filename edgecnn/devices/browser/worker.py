"""Worker of a bench whose row runs in a page: the requests and replies of the runtime's worker.

The golden answers are judged here, by the judge of every other engine; the page computes them, and
times its runs. Each row has a browser of its own: a crash ends only that row.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TextIO

from edgecnn.devices.browser.engine import PageModel, engine_page, identity_of, raw, request
from edgecnn.devices.browser.processes import cpu_seconds, page_peak_bytes
from edgecnn.web.browser import Browser, find_browser, has_gpu
from edgecnn.web.engines import WEB_ENGINES, WebEngine
from edgecnn.web.page import Page
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.budget import Budget, hold_process
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.adapted import Adapted, Model, adapt
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.timing import warm_up_blocks
from edgecnn_runtime.measure.worker import prove_row
from edgecnn_runtime.parity.answers import find_artefact

SAMPLE_DIGITS = 4  # of a millisecond: a page's clock ticks every 5 µs
ADAPTER_TIMEOUT_S = 60.0


def work(subject: Subject, budget: Budget) -> None:
    """Open the artefact of `subject` in a page and reply to requests until stdin ends.

    Raises:
        BundleError, EngineError: the bundle or the engine refuses.
        BrowserUnavailable, BrowserDied: there is no browser, or it ended.
    """
    replies = sys.stdout
    browser, engine = find_browser(), _engine(subject)
    with _page(browser, engine) as page:
        # After the browser has started: the limits are of this process, and are inherited.
        held = hold_process(budget, subject.bundle)
        if not sys.stdin.readline():
            return
        model, reply = _opened(page, subject, engine, browser, held)
        _write(replies, reply)
        for line in sys.stdin:
            with held.step():
                answer = _fulfil(json.loads(line), model)
            peak = page_peak_bytes(page.process_id)
            spent = cpu_seconds(os.getpid())
            _write(replies, answer | {"own_seconds": spent, "peak_memory_bytes": peak})


def start_cold(subject: Subject, budget: Budget) -> None:
    """Print the time from loading a page to its first result, in a browser without a cache.

    The browser itself has started before: a person who opens an address has one open.
    """
    browser, engine = find_browser(), _engine(subject)
    with Bundle(subject.bundle, budget) as bundle:
        model = bundle.read_artefact(find_artefact(bundle, str(subject.artefact))).model
    with _page(browser, engine) as page:
        asked = request("cold", engine, subject.threads or 1)
        fields, _ = page.ask(asked, {"model": raw(model)})
        peak = page_peak_bytes(page.process_id)
    print(json.dumps({"sample_ms": fields["sample_ms"], "peak_memory_bytes": peak}), flush=True)


def is_software(adapter: dict[str, Any]) -> bool:
    """Whether a WebGPU adapter is a program that runs on the processor."""
    words = " ".join(str(value) for value in adapter.values()).lower()
    return bool(adapter.get("isFallbackAdapter")) or "swiftshader" in words or "llvmpipe" in words


def _engine(subject: Subject) -> WebEngine:
    name = str(subject.engine)
    if name not in WEB_ENGINES:
        raise EngineError(f"no engine of a browser is called {name!r}; {', '.join(WEB_ENGINES)}")
    return WEB_ENGINES[name]


@contextmanager
def _page(browser: Browser, engine: WebEngine) -> Iterator[Page]:
    with engine_page(browser, engine, is_software_gpu=not has_gpu()) as page:
        yield page


def _opened(
    page: Page, subject: Subject, engine: WebEngine, browser: Browser, budget: Budget
) -> tuple[PageModel, dict[str, Any]]:
    """The model, its golden answers judged and its input in the page; and the reply."""
    with Bundle(subject.bundle, budget) as bundle:
        artefact = find_artefact(bundle, str(subject.artefact))
        content = bundle.read_artefact(artefact)
        with budget.step():
            opened = PageModel(page, engine, content.model, subject.threads or 1)
        model = adapt(opened, bundle.manifest, artefact)
        reply, feeds = prove_row(bundle, artefact, model, identity_of(engine, browser))
    opened.feed(_native(model, feeds))
    if engine.accelerator == "webgpu":
        reply |= _without_time(page, reply)
    return opened, reply


def _without_time(page: Page, reply: dict[str, Any]) -> dict[str, Any]:
    """What a row says that runs on a GPU which is none: right or wrong, and never a time."""
    fields, _ = page.ask({"do": "adapter"}, timeout_s=ADAPTER_TIMEOUT_S)
    adapter = fields["adapter"]
    if adapter is None or not is_software(adapter) or reply["verdict"] == "differs":
        return {}
    note = f"answers as made ({reply['note']}), but its GPU is a program, whose time means nothing"
    return {"verdict": "refused", "note": note}


def _native(model: Model, feeds: dict[str, Array]) -> dict[str, Array]:
    """Feeds of one run in the engine's own layout and types."""
    return model.native(feeds) if isinstance(model, Adapted) else feeds


def _fulfil(request: dict[str, Any], model: PageModel) -> dict[str, Any]:
    if "warm_up" in request:
        return asdict(warm_up_blocks(model.block, request["warm_up"]))
    samples = model.block(request["block"])
    return {"samples_ms": [round(sample, SAMPLE_DIGITS) for sample in samples]}


def _write(replies: TextIO, reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()
