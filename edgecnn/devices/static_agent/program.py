"""The static agent's program for a board's processor, built once from a clone's sources."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgecnn.devices.board import Offer
from edgecnn.devices.native_sources import build_native, native_sources
from edgecnn.errors import NativeBuildFailed
from edgecnn_runtime import __version__
from edgecnn_runtime.engines.table import ENGINES, PACKAGES

ENVIRONMENT = "static agent"
"""The environment of a board that has no Python for the agent. No device can have this name."""
# What `uname -m` of a 64-bit or 32-bit userland says → a machine of native/agents.py.
MACHINES = {"x86_64": "x86_64", "aarch64": "aarch64", "armv7l": "armv7l", "armv8l": "armv7l"}
ENGINE = "native"
(PACKAGE,) = ENGINES[ENGINE].package_names


def is_offered(machine: str) -> bool:
    """Whether there is a static agent for a board's userland."""
    return machine in MACHINES


def is_wanted(packages: Collection[str] | None) -> bool:
    """Whether a bench needs the engine that the static agent has."""
    return packages is None or PACKAGE in packages


def agent_program(machine: str) -> Path:
    """The program for a board's userland.

    Raises:
        NativeBuildFailed: it cannot be built here; says what to install.
    """
    if native_sources() is None:
        raise NativeBuildFailed(
            "the static agent is compiled from a clone of edgecnn, and this edgecnn runs from "
            "none: in a clone, pip install -e . ziglang"
        )
    return build_native("agents.py", MACHINES[machine])


def static_offer(reason: str) -> Offer:
    """The engines of a board that the static agent measures: native alone.

    Args:
        reason: why the others cannot be had, in words.
    """
    refused = {name: f"needs Python: {reason}" for name in PACKAGES if name != PACKAGE}
    return Offer({ENVIRONMENT: {PACKAGE: __version__}}, refused)
