"""The agent of a browser: the commands and events of `edgecnn_runtime.agent`, rows in pages."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from edgecnn.devices.browser.engine import identity_of
from edgecnn.devices.browser.worker import start_cold, work
from edgecnn.errors import BrowserDied, BrowserUnavailable
from edgecnn.web.browser import find_browser, has_gpu
from edgecnn.web.engines import (
    NATIVE,
    NATIVE_FILE,
    NATIVE_INSTALL,
    WEB_ENGINES,
    native_file,
    web_packages,
)
from edgecnn_runtime import agent
from edgecnn_runtime.budget import MEMORY_BYTES, STEP_SECONDS, Budget
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.host.facts import read_host, read_state
from edgecnn_runtime.host.process import AGENT_PREFIX
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.worker_process import ENGINE_DIED
from edgecnn_runtime.printable import printable


def main(arguments: list[str]) -> None:
    """Run one command and exit with its code; what pages have no part in is the runtime's."""
    if arguments[:1] == ["host"]:
        print(json.dumps(_host()), flush=True)
        return
    if arguments[:1] not in (["work"], ["cold"]):
        agent.main(arguments)
        return
    options = _parser().parse_args(arguments)
    subject = Subject(options.bundle, options.artefact, options.engine, threads=options.threads)
    run = {"work": work, "cold": start_cold}[options.command]
    try:
        run(subject, Budget(options.max_memory, options.max_seconds))
    except EdgeCNNError as error:
        print(f"{AGENT_PREFIX}{printable(str(error))}", file=sys.stderr)
        sys.exit(ENGINE_DIED if isinstance(error, BrowserDied) else 1)
    except MemoryError:
        print(f"{AGENT_PREFIX}it takes more memory than --max-memory allows", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgecnn.devices.browser", description=__doc__)
    parser.add_argument("command", choices=("work", "cold"))
    parser.add_argument("bundle")
    for option in ("--artefact", "--engine", "--precision"):
        parser.add_argument(option)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-memory", type=int, default=MEMORY_BYTES)
    parser.add_argument("--max-seconds", type=float, default=STEP_SECONDS)
    return parser


def _host() -> dict[str, object]:
    """The ``host`` event: this machine, and the engines that pages have."""
    engines: dict[str, str | None] = dict.fromkeys(WEB_ENGINES)
    own = web_packages().values()  # each package once: its engine of the processor
    ids, missing = {}, {}
    try:
        browser = find_browser()
    except BrowserUnavailable as error:
        reason, _, mend = str(error).partition("; ")
        missing = {name: {"reason": reason, "mend": mend} for name in own}
    else:
        ids = {name: asdict(identity_of(WEB_ENGINES[name], browser)) for name in own}
        engines = {name: one.version for name, one in WEB_ENGINES.items()}
        if native_file() is None:
            missing = {NATIVE: {"reason": f"has no {NATIVE_FILE}", "mend": NATIVE_INSTALL}}
            engines[NATIVE] = None
            del ids[NATIVE]
    return {
        "event": "host",
        "host": asdict(read_host()),
        "state": asdict(read_state()),
        "engines": engines,
        "ids": ids,
        "missing": missing,
        "formats": {name: [one.format] for name, one in WEB_ENGINES.items()},
        "has_gpu": has_gpu(),
    }
