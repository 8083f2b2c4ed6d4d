"""Reading board profiles from TOML: those that edgecnn brings, and a user's own."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from edgecnn.devices.profile import (
    Cache,
    Caches,
    Cluster,
    Emulation,
    ExpectedEngines,
    Heat,
    Memory,
    Profile,
    Simd,
)
from edgecnn.devices.toml_fields import TomlFields, read_toml
from edgecnn.errors import DeviceConfigInvalid


def read_profile(path: Path) -> Profile:
    """Read a profile from a file; its name is the file's.

    Raises:
        DeviceConfigInvalid: it cannot be read, or is no profile; names file and key.
    """
    return profile_from(path.stem, TomlFields(read_toml(path), str(path)))


@cache
def profiles() -> Mapping[str, Profile]:
    """Every profile that edgecnn brings, by name."""
    folder = resources.files("edgecnn.devices") / "profiles"
    with resources.as_file(folder) as path:
        known = [read_profile(file) for file in sorted(path.glob("*.toml"))]
    return MappingProxyType({profile.name: profile for profile in known})


def profile_of(model: str | None, machine: str) -> Profile | None:
    """The profile for a board's model, or the general one of its machine, or None."""
    known = profiles().values()
    for profile in known:
        if model and any(fnmatch.fnmatchcase(model, pattern) for pattern in profile.models):
            return profile
    general = [one for one in known if not one.models and one.machine == machine]
    return general[0] if general else None


def check_profile(name: str) -> str:
    """Check that a profile has this name, and return it.

    Raises:
        DeviceConfigInvalid: none has; the message offers the nearest.
    """
    if name not in profiles():
        near = difflib.get_close_matches(name, profiles(), 3, 0.4) or list(profiles())
        raise DeviceConfigInvalid(
            f"no profile is called {name!r}; did you mean {' or '.join(near)}?"
        )
    return name


def profile_from(name: str, fields: TomlFields) -> Profile:
    """The profile called `name` in a table of a file.

    Raises:
        DeviceConfigInvalid: names file and key.
    """
    clusters = fields.optional("clusters", fields.tables) or ()
    profile = Profile(
        name=name,
        title=fields.text("title"),
        machine=fields.text("machine"),
        models=fields.texts("models"),
        clusters=tuple(_cluster(one) for one in clusters),
        memory=_memory(one) if (one := fields.optional("memory", fields.table)) else None,
        engines=_engines(fields.table("engines")),
        heat=_heat(one) if (one := fields.optional("heat", fields.table)) else None,
        emulation=_emulation(one) if (one := fields.optional("emulation", fields.table)) else None,
    )
    fields.finish()
    return profile


def _cluster(fields: TomlFields) -> Cluster:
    cluster = Cluster(
        core=fields.text("core"),
        count=fields.whole("count", 1, 1024),
        max_mhz=fields.whole("max_mhz", 1, 10_000),
        caches=_caches(one) if (one := fields.optional("caches", fields.table)) else None,
        simd=_simd(fields.table("simd")),
        source=fields.text("source"),
    )
    fields.finish()
    return cluster


def _caches(fields: TomlFields) -> Caches:
    caches = Caches(
        l1d_kib=fields.whole("l1d_kib", 1),
        l1i_kib=fields.whole("l1i_kib", 1),
        l2=_cache(one) if (one := fields.optional("l2", fields.table)) else None,
        l3=_cache(one) if (one := fields.optional("l3", fields.table)) else None,
        source=fields.text("source"),
    )
    fields.finish()
    return caches


def _cache(fields: TomlFields) -> Cache:
    cache = Cache(fields.whole("kib", 1), fields.whole("cores", 1, 1024))
    fields.finish()
    return cache


def _simd(fields: TomlFields) -> Simd:
    simd = Simd(
        bits=fields.whole("bits", 32, 8192),
        dotprod=fields.flag("dotprod"),
        i8mm=fields.flag("i8mm"),
        fp16=fields.flag("fp16"),
        source=fields.text("source"),
    )
    fields.finish()
    return simd


def _memory(fields: TomlFields) -> Memory:
    memory = Memory(
        sizes_gb=fields.numbers("sizes_gb"),
        bandwidth_gb_s=fields.optional("bandwidth_gb_s", fields.number),
        source=fields.text("source"),
    )
    fields.finish()
    return memory


def _engines(fields: TomlFields) -> ExpectedEngines:
    engines = ExpectedEngines(fields.texts("expected"), fields.text("note"), fields.text("source"))
    fields.finish()
    return engines


def _heat(fields: TomlFields) -> Heat:
    heat = Heat(
        watch=fields.texts("watch"),
        throttle_celsius=fields.optional("throttle_celsius", fields.number),
        needs=fields.text("needs"),
        source=fields.text("source"),
    )
    fields.finish()
    return heat


def _emulation(fields: TomlFields) -> Emulation:
    emulation = Emulation(
        qemu_cpu=fields.text("qemu_cpu"),
        model=fields.text("model"),
        implementer=fields.whole("implementer", 0, 0xFF),
        variant=fields.whole("variant", 0, 0xF),
        part=fields.whole("part", 0, 0xFFF),
        revision=fields.whole("revision", 0, 0xF),
        features=fields.text("features"),
        source=fields.text("source"),
    )
    fields.finish()
    return emulation
