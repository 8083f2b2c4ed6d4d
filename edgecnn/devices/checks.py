"""Checks of a machine or board: each with the value found, and how to fix what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """A check of one property of a machine.

    Attributes:
        what: the property.
        ok: whether it is as it should be.
        found: its value, in words.
        mend: how to fix it; empty where nothing is wrong.
        needed: whether nothing works without it.
    """

    what: str
    ok: bool
    found: str
    mend: str
    needed: bool


def check(what: str, ok: bool, found: str, mend: str = "", *, needed: bool) -> Check:
    """A check, without its fix where nothing is wrong."""
    return Check(what, ok, found, "" if ok else mend, needed)


def measuring(host: dict[str, Any], state: dict[str, Any]) -> list[Check]:
    """Checks of conditions that would taint a bench on a machine now.

    Args:
        host, state: fields of the agent's ``host`` event.
    """
    checks = []
    if host["governors"]:
        names = ", ".join(host["governors"])
        mend = "sudo cpupower frequency-set -g performance"
        checks.append(check("governor", names == "performance", names, mend, needed=False))
    if state["load"] is not None:
        quiet = state["load"] < 0.5 * host["cores"]
        load = f"{state['load']:.2f} on {host['cores']} cores"
        checks.append(check("load", quiet, load, "end other work before a bench", needed=False))
    if state["throttled"]:
        limits = ", ".join(state["throttled"])
        mend = "a better power supply, or cooling"
        checks.append(check("throttling", False, limits, mend, needed=False))
    return checks
