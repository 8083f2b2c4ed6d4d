"""Estimates of compiled artefacts, from the reports that their compilers wrote into the bundle.

An estimate is no latency: nothing ran. It holds for the system that its report names, and leaves
out operators on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgecnn.devices.configured import read_devices
from edgecnn.devices.names import BROWSER, EMULATED, HOST
from edgecnn.devices.profile_toml import profiles
from edgecnn.errors import BenchRefused
from edgecnn_exporters.targets import TargetInvalid, UnknownTarget
from edgecnn_exporters.targets.profile import TargetProfile, target_profile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.json_fields import JsonFields, shown
from edgecnn_runtime.bundle.strict_json import strict_json
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import Artefact

ESTIMATED = "estimated"
WEB = "web"
# Beyond any figure of a network: a report may have been written by anyone.
LIMIT = 1e15

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Estimate:
    """A compiler's estimate of one artefact.

    Attributes:
        device: the compile target.
        compiler: name and version.
        configuration: the system that it holds for: names, and the clock in MHz.
        latency_ms: of one inference, without `left_out`.
        cycles: of the accelerator's clock.
        utilisation: share of the accelerator's multiply-adds that are used, 0 to 1.
        memory_bytes: by memory.
        left_out: operators on the CPU, whose time is not in it.
        report: all figures of the compiler, operator by operator.
    """

    device: str
    artefact: str
    compiler: str
    configuration: Mapping[str, str | float]
    latency_ms: float
    cycles: int
    utilisation: float
    memory_bytes: Mapping[str, int]
    left_out: tuple[str, ...]
    report: Mapping[str, Any]


def split_targets(
    names: Sequence[str], bundle: Path
) -> tuple[tuple[str, ...], tuple[TargetProfile, ...]]:
    """Names after ``--device`` that are devices, and compile targets.

    A device goes before a compile target of the same name; so does a board's profile, unless no
    device has it and the bundle holds something compiled for the target.

    Raises:
        BenchRefused: one is the target of pages.
        BundleError: the bundle cannot be trusted.
    """
    found = {name: _target(name, bundle) for name in names}
    targets = {each.name: each for each in found.values() if each is not None}
    return tuple(name for name in names if found[name] is None), tuple(targets.values())


def _target(name: str, bundle: Path) -> TargetProfile | None:
    """The compile target of that name; None where it is a device's, or nobody's."""
    if name in (HOST, BROWSER) or "@" in name or name.endswith((EMULATED, ".toml")):
        return None
    devices = read_devices()
    if name in devices:
        return None
    try:
        target = target_profile(name)
    except (UnknownTarget, TargetInvalid):
        return None
    if target.family == WEB:
        raise BenchRefused(
            f"{name} is the target of pages, not a device; to measure in the browser of this "
            f"machine: --device {BROWSER}",
            device=name,
        )
    if name not in profiles():
        return target
    if name in {device.profile_name for device in devices.values()}:
        return None
    with Bundle(bundle) as opened:
        is_compiled = any(each.target == target.name for each in opened.manifest.artefacts)
    return target if is_compiled else None


def read_estimates(path: Path, targets: Sequence[TargetProfile]) -> list[Estimate]:
    """The estimates of a bundle for these targets.

    Raises:
        BenchRefused: it holds nothing compiled for one of them, or no estimate.
        BundleError: it cannot be trusted.
    """
    with Bundle(path) as bundle:
        return [_estimate(bundle, target.name) for target in targets]


def _estimate(bundle: Bundle, target: str) -> Estimate:
    compile_it = f"edgecnn compile {bundle.path} --for {target}"
    compiled = [each for each in bundle.manifest.artefacts if each.target == target]
    if not compiled:
        raise BenchRefused(
            f"{bundle.path} holds nothing compiled for {target}: {compile_it}", device=target
        )
    (artefact, *_) = compiled
    if artefact.proof != ESTIMATED or artefact.report is None:
        raise BenchRefused(
            f"{artefact.path} of {bundle.path} is {artefact.proof}: nothing is estimated or "
            f"measured for {target} here; edgecnn verify {bundle.path} shows its proof",
            device=target,
        )
    try:
        return _parse(bundle.read(artefact.report), artefact, target)
    except ManifestInvalid as error:
        raise BenchRefused(
            f"{artefact.report} of {bundle.path} is no report of estimates ({error}): {compile_it}",
            device=target,
        ) from error


def _parse(content: bytes, artefact: Artefact, target: str) -> Estimate:
    """The estimate in a report.

    Raises:
        ManifestInvalid: a figure is missing, or is no figure.
    """
    document = strict_json(content, "report")
    _check_numbers(document)
    fields = JsonFields(document, "report")
    assert isinstance(document, dict), "JsonFields takes nothing else"
    memories = fields.take("memory_bytes", dict)
    sizes = JsonFields(memories, "memory_bytes")
    left_out = fields.take("not_estimated", list)
    return Estimate(
        device=target,
        artefact=artefact.path,
        compiler=artefact.compiler or "",
        configuration=_system(fields.take("configuration", dict)),
        latency_ms=_figure(fields.number("latency_ms"), "latency_ms"),
        cycles=_figure(fields.take("cycles", int), "cycles"),
        utilisation=_figure(fields.number("utilisation"), "utilisation"),
        memory_bytes={
            name: _figure(sizes.take(name, int), f"memory_bytes.{name}") for name in memories
        },
        left_out=tuple(map(str, left_out)),
        report=document,
    )


def _check_numbers(document: object) -> None:
    """Check that no number, wherever it stands, is infinite or has more digits than any figure."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            left.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, int | float) and not -LIMIT < value < LIMIT:
            raise ManifestInvalid(f"report holds {shown(value)}, expected numbers below {LIMIT:g}")


def _figure(value: Number, name: str) -> Number:
    if value < 0:
        raise ManifestInvalid(f"report.{name} is {value}, expected a number from 0")
    return value


def _system(configuration: Mapping[str, Any]) -> dict[str, str | float]:
    """Names, and numbers."""
    fields = JsonFields(dict(configuration), "configuration")
    return {
        name: fields.take(name, str)
        if isinstance(value, str)
        else _figure(fields.number(name), f"configuration.{name}")
        for name, value in configuration.items()
    }
