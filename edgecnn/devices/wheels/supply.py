"""Supply of a board: sets of compatible engine wheels, each with a Python of the board."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgecnn.devices.board import Interpreter, Offer
from edgecnn.devices.wheels.index import Wheel
from edgecnn.devices.wheels.resolve import closure
from edgecnn.devices.wheels.target import WheelTarget
from edgecnn_runtime.engines.table import ENGINES


@dataclass(frozen=True)
class Supply:
    """One environment: wheels that agree, and the Python that they are for.

    Attributes:
        engines: packages that were asked for; the other wheels are what those require.
    """

    name: str
    python: Interpreter
    target: WheelTarget
    engines: tuple[str, ...]
    wheels: tuple[Wheel, ...]

    def only(self, engines: Collection[str]) -> Supply | None:
        """The part that these engines need; None when it has none of them."""
        kept = tuple(engine for engine in self.engines if engine in engines)
        if not kept:
            return None
        wheels = closure((*kept, "numpy"), self.wheels, self.target)
        return Supply(self.name, self.python, self.target, kept, wheels)


@dataclass(frozen=True)
class Supplies:
    """Environments available to a board, and for each other engine the reason why not."""

    environments: tuple[Supply, ...]
    refused: Mapping[str, str]

    def offer(self) -> Offer:
        """The `Offer` of these supplies."""
        return Offer(
            {
                one.name: {wheel.name: wheel.version for wheel in one.wheels}
                for one in self.environments
            },
            dict(self.refused),
        )

    def chosen(self, packages: Collection[str] | None) -> tuple[Supply, ...]:
        """Supplies of the requested packages, or of the first package of each engine.

        A requested package that is not available is replaced by the next of the same engine.
        """
        available = {engine for one in self.environments for engine in one.engines}
        requested = set(packages or ())
        if packages is None:
            requested = {entry.package_names[0] for entry in ENGINES.values() if entry.packages}
        chosen = requested | _replacements(requested, available)
        parts = (one.only(chosen) for one in self.environments)
        return tuple(part for part in parts if part is not None)


def _replacements(requested: Collection[str], available: Collection[str]) -> set[str]:
    """For each requested package that is not available: the next of its engine that is."""
    replacements = set()
    for entry in ENGINES.values():
        for place, name in enumerate(entry.package_names):
            if name in requested and name not in available:
                later = entry.package_names[place + 1 :]
                replacements |= set([one for one in later if one in available][:1])
    return replacements
