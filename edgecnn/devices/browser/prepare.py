"""Requirements of a bench in a browser: the browser, and the files of its engines."""

from __future__ import annotations

from collections.abc import Collection

from edgecnn.web.browser import find_browser
from edgecnn.web.engines import NATIVE, WEB_ENGINES, WebEngine, engine_files, native_file
from edgecnn_runtime.engines import engine_packages
from edgecnn_runtime.engines.table import ENGINES


def prepare_browser(packages: Collection[str] | None) -> None:
    """Find the browser and fetch the files of the engines that are needed.

    Args:
        packages: as for `Board.prepare`: those of the engines of this machine stand for the
            engines of a page that open the same formats.

    Raises:
        BrowserUnavailable: there is no browser.
        FetchError: an engine's files cannot be had.
    """
    find_browser()
    for engine in WEB_ENGINES.values():
        # Without the native engine's module its rows are left out, and say so.
        if _is_needed(engine, packages) and (engine.name != NATIVE or native_file()):
            engine_files(engine)


def _is_needed(engine: WebEngine, packages: Collection[str] | None) -> bool:
    if packages is None:
        return engine.accelerator == "wasm"
    if engine.name in packages or (engine.package in packages and engine.accelerator == "wasm"):
        return True
    engines = engine_packages()
    own = {engines.get(package, "") for package in packages} & ENGINES.keys()
    formats = {format for name in own for format in ENGINES[name].formats}
    return engine.accelerator == "wasm" and engine.format in formats
