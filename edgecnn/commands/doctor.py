"""``edgecnn doctor``: what this machine can run, what is missing, and what mends it."""

from __future__ import annotations

import shutil
from typing import Any

import click

from edgecnn.commands.options import json_option, silent_option
from edgecnn.exit_codes import FAILED, OK

SCHEMA = "edgecnn.doctor/1"

# Package → the extra that brings it, and what it is needed for.
PACKAGES = {
    "torch": ("export", "export of PyTorch networks"),
    "onnx": ("export", "export"),
    "onnx-ir": ("export", "graph passes"),
    "onnxscript": ("export", "PyTorch's dynamo exporter"),
    "safetensors": ("export", ".safetensors checkpoints"),
    "pillow": ("image", "reading image files"),
}


@click.command("doctor", short_help="What works here, and what would mend the rest.")
@click.option("--device", default="host", show_default=True, help="Which machine to examine.")
@json_option
@silent_option
def command(device: str, as_json: bool) -> int:
    """Examine this machine: engines, packages, cache, and whatever disturbs measurements.

    Exit code 0: export and at least one engine work. 1: something is missing.

    \b
    Example:
      edgecnn doctor
    """
    from edgecnn.devices import find_device
    from edgecnn.report.console import print_json

    found = find_device(device).run(["host"], lambda done: None)
    checks = [*_engines(found), *_packages(), _cache(), *_measuring(found)]
    if as_json:
        print_json(
            SCHEMA,
            {"device": device, "host": found["host"], "state": found["state"], "checks": checks},
        )
    else:
        _print(found["host"], checks)
    return OK if all(check["ok"] for check in checks if check["needed"]) else FAILED


def _check(what: str, ok: bool, found: str, mend: str = "", *, needed: bool) -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": found, "mend": "" if ok else mend, "needed": needed}


def _engines(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A check for every engine, in the agent's words where it does not work."""
    checks = []
    for name, version in found["engines"].items():
        if name == "fake":
            continue
        missing = found["missing"].get(name, {"reason": "", "mend": ""})
        shown = version or missing["reason"]
        needed = name == "onnxruntime"
        checks.append(
            _check(f"engine {name}", version is not None, shown, missing["mend"], needed=needed)
        )
    return checks


def _packages() -> list[dict[str, Any]]:
    from importlib.metadata import PackageNotFoundError, version

    checks = []
    for package, (extra, purpose) in PACKAGES.items():
        try:
            found, ok = version(package), True
        except PackageNotFoundError:
            found, ok = f"not installed; needed for {purpose}", False
        mend = f"pip install 'edgecnn[{extra}]'"
        checks.append(_check(package, ok, found, mend, needed=True))
    return checks


def _cache() -> dict[str, Any]:
    from edgecnn.fetch import cache_folder

    folder = cache_folder()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return _check(
        "cache",
        free > 500e6,
        f"{folder}, {free / 1e9:.1f} GB free",
        "set EDGECNN_CACHE to a folder with 0.5 GB free",
        needed=False,
    )


def _measuring(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What would taint a bench on this machine right now."""
    host, state = found["host"], found["state"]
    checks = []
    if host["governors"]:
        names = ", ".join(host["governors"])
        mend = "sudo cpupower frequency-set -g performance"
        checks.append(_check("governor", names == "performance", names, mend, needed=False))
    if state["load"] is not None:
        quiet = state["load"] < 0.5 * host["cores"]
        load = f"{state['load']:.2f} on {host['cores']} cores"
        checks.append(_check("load", quiet, load, "end other work before a bench", needed=False))
    if state["throttled"]:
        limits = ", ".join(state["throttled"])
        mend = "a better power supply, or cooling"
        checks.append(_check("throttling", False, limits, mend, needed=False))
    return checks


def _print(host: dict[str, Any], checks: list[dict[str, Any]]) -> None:
    from edgecnn.report.console import stdout, table

    machine = host["model"] or host["machine"]
    click.echo(f"{machine}: {host['cpu']}, {host['cores']} cores, {', '.join(host['features'])}")
    click.echo(f"{host['system']}, {host['libc']}, Python {host['python']}\n")
    shown = table(("", "what", "found", "what mends it"))
    for check in checks:
        mark = "[green]✓[/]" if check["ok"] else "[red]✗[/]" if check["needed"] else "[yellow]![/]"
        shown.add_row(mark, check["what"], check["found"], check["mend"].replace("[", "\\["))
    stdout().print(shown)
