"""The function behind `edgecnn doctor` on this machine: engines, packages, tools, cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.devices.checks import Check, check, measuring
from edgecnn.results.doctor import DoctorResult
from edgecnn_runtime.host.processor import this_processor
from edgecnn_runtime.install_hint import install_hint

if TYPE_CHECKING:
    from edgecnn.bundles.opens import Opens

# Package → the extra that brings it, and what it is needed for.
PACKAGES = {
    "torch": ("export", "export of PyTorch networks"),
    "onnx": ("export", "export"),
    "onnx-ir": ("export", "graph passes"),
    "onnxscript": ("export", "PyTorch's dynamo exporter"),
    "safetensors": ("export", ".safetensors checkpoints"),
    "pillow": ("image", "reading image files"),
}


def examine_host(bundle: Path | None = None) -> DoctorResult:
    """Examine this machine: engines, packages, tools, cache, and what disturbs a bench.

    Args:
        bundle: one to say of what `edgecnn_runtime.open` takes of it.

    Raises:
        BundleError: the bundle cannot be trusted.
        EngineUnavailable, EngineError: nothing in it can run here.
    """
    from edgecnn.bundles.opens import usual_order, what_opens
    from edgecnn.devices.local import this_machine
    from edgecnn.documents.doctor import DoctorDocument
    from edgecnn_runtime.measure.results import host_from_json, state_from_json

    opens = None if bundle is None else what_opens(bundle)
    event = this_machine().host("host")
    host, state = event["host"], event["state"]
    tools = [_browser(), *_toolchains()]
    checks = (*_engines(event), *_packages(), *tools, _cache(), *measuring(host, state))
    machine = host["model"] or host["machine"]
    summary = (
        f"{machine}: {host['cpu']}, {host['cores']} cores, {', '.join(host['features'])}",
        f"{host['system']}, {host['libc']}, Python {host['python']}",
    )
    order = usual_order({name for name, version in event["engines"].items() if version})
    document = DoctorDocument(
        "host", host_from_json(host), state_from_json(state), checks, None, {}, {}, order, opens
    )
    can_work = all(one.ok for one in checks if one.needed)
    return DoctorResult(document, summary, can_work, _opening(bundle, opens, order))


def _opening(bundle: Path | None, opens: Opens | None, order: tuple[str, ...]) -> str:
    """What `open` takes, in a line; empty where there is no engine."""
    if opens is not None:
        measure = f"; to measure: edgecnn bench {bundle}" if opens.basis == "order" else ""
        return f"{opens.words()}{measure}"
    if not order:
        return ""
    return (
        f"edge.open takes what bench measured fastest here, else by the order for "
        f"{this_processor().instruction_set.value}: {', '.join(order)}"
    )


def _engines(event: dict[str, Any]) -> list[Check]:
    """A check for every engine, in the agent's words where it does not work."""
    from edgecnn_runtime.engines.table import ENGINES, REFERENCE

    checks = []
    for name, version in event["engines"].items():
        if name in ENGINES and ENGINES[name].is_double:
            continue
        missing = event["missing"].get(name, {"reason": "", "mend": ""})
        shown = version or missing["reason"]
        needed = name == REFERENCE
        checks.append(
            check(f"engine {name}", version is not None, shown, missing["mend"], needed=needed)
        )
    return checks


def _packages() -> list[Check]:
    from importlib.metadata import PackageNotFoundError, version

    checks = []
    for package, (extra, purpose) in PACKAGES.items():
        try:
            installed, ok = version(package), True
        except PackageNotFoundError:
            installed, ok = f"not installed; needed for {purpose}", False
        mend = install_hint(extra)
        checks.append(check(package, ok, installed, mend, needed=True))
    return checks


def _browser() -> Check:
    from edgecnn.errors import BrowserUnavailable
    from edgecnn.web.browser import INSTALL, find_browser

    try:
        found = find_browser()
    except BrowserUnavailable as error:
        return check("browser", False, str(error).partition("; ")[0], INSTALL, needed=False)
    return check("browser", True, f"{found.product} {found.version} ({found.path})", needed=False)


def _toolchains() -> list[Check]:
    """Compilers for NPUs and microcontrollers: nothing needs them but `edgecnn compile`."""
    from edgecnn.compile.toolchains import find_toolchains

    return [
        check(
            each.toolchain.name,
            each.version is not None,
            each.version or f"not installed; {each.toolchain.purpose}, {each.toolchain.licence}",
            each.toolchain.install,
            needed=False,
        )
        for each in find_toolchains()
    ]


def _cache() -> Check:
    from edgecnn.fetch import cache_folder

    folder = cache_folder()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return check(
        "cache",
        free > 500e6,
        f"{folder}, {free / 1e9:.1f} GB free",
        "set EDGECNN_CACHE to a folder with 0.5 GB free",
        needed=False,
    )
