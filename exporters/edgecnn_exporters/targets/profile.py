"""Profiles of compile targets: an NPU's configuration, a chip, a microcontroller, from TOML.

``profiles/FAMILY.toml`` holds the targets of one family, a table each:

    [ethos-u55-128]
    title = "Arm Ethos-U55, 128 multiply-adds a cycle"
    source = "where the facts are from"
    aliases = ["corstone-300"]       # other names, as of chips
    [ethos-u55-128.settings]         # what the family's compiler reads
    accelerator = "ethos-u55-128"

A compiler of the entry point group ``edgecnn.compilers`` brings its own: its class has `profiles`,
a tuple of `TargetProfile`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from edgecnn_exporters.targets import TargetInvalid, UnknownTarget

GROUP = "edgecnn.compilers"


@dataclass(frozen=True)
class TargetProfile:
    """Profile of one compile target.

    Attributes:
        name: for ``--for``.
        family: name of the compiler.
        title: what it is, in words.
        source: where its facts are from.
        aliases: other names that a user may type.
        settings: what the family's compiler reads of it.
    """

    name: str
    family: str
    title: str
    source: str
    aliases: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def target_profiles() -> Mapping[str, TargetProfile]:
    """Every profile by name: those of edgecnn in its files' order, then those of plug-ins.

    Raises:
        TargetInvalid: a plug-in cannot be loaded, or its profiles are none.
    """
    return {**{each.name: each for each in _plugin_profiles()}, **_own_profiles()}


@cache
def _own_profiles() -> Mapping[str, TargetProfile]:
    folder = resources.files("edgecnn_exporters.targets") / "profiles"
    found: dict[str, TargetProfile] = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".toml"):
            continue
        family = file.name.removesuffix(".toml").replace("_", "-")
        for name, table in tomllib.loads(file.read_text(encoding="utf-8")).items():
            found[name] = TargetProfile(
                name,
                family,
                table["title"],
                table["source"],
                tuple(table.get("aliases", ())),
                table.get("settings", {}),
            )
    return found


def _plugin_profiles() -> list[TargetProfile]:
    """The profiles of the compilers of the entry point group.

    Raises:
        TargetInvalid: one cannot be loaded, or has another family than the name of its entry point.
    """
    from importlib.metadata import entry_points

    found: list[TargetProfile] = []
    for point in entry_points(group=GROUP):
        try:
            profiles = tuple(point.load().profiles)
            families = {each.family for each in profiles}
        except (ImportError, AttributeError, TypeError) as error:
            raise TargetInvalid(
                f"compiler {point.name!r} ({point.value}) has no profiles: {error}; fix or remove "
                "the distribution that registers it"
            ) from error
        if families - {point.name}:
            raise TargetInvalid(
                f"compiler {point.name!r} ({point.value}) has profiles of the family "
                f"{min(families - {point.name})!r}, expected {point.name!r}; fix or remove it"
            )
        found += profiles
    return found


def target_profile(name: str) -> TargetProfile:
    """The profile of that name, or with that alias; plug-ins are asked where edgecnn has none.

    Raises:
        UnknownTarget: there is none; the message offers the nearest.
        TargetInvalid: as `target_profiles` says.
    """
    typed = name.strip().lower()
    for known in (_own_profiles, target_profiles):
        names = {alias: each for each in known().values() for alias in (each.name, *each.aliases)}
        if typed in names:
            return names[typed]
    near = difflib.get_close_matches(typed, names, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownTarget(
        f"no compile target is called {name!r}; {hint}edgecnn compile --list shows them all"
    )
