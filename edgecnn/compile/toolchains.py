"""Toolchains of this machine: which compilers and simulators are here, and how to get the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgecnn_exporters.targets.compilers import compiler_families, compiler_of
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_runtime.errors import EdgeCNNError


@dataclass(frozen=True)
class FoundToolchain:
    """A toolchain of one family, with its version here; None where it is not installed."""

    family: str
    toolchain: Toolchain
    version: str | None


def find_toolchains() -> list[FoundToolchain]:
    """Toolchains of every family, in order; a plug-in that does not load is left out."""
    return [FoundToolchain(family, each, each.version()) for family, each in _toolchains()]


def must_accept() -> dict[str, bool]:
    """Whether a user has to accept the licence of each package, by name."""
    return {each.name: each.must_accept for _, each in _toolchains()}


def _toolchains() -> Iterator[tuple[str, Toolchain]]:
    for family in compiler_families():
        try:
            toolchains = compiler_of(family).toolchains
        except EdgeCNNError:
            continue
        yield from ((family, each) for each in toolchains)
