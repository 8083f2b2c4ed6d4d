"""What a board is given: engines that go together, each set with a Python of the board."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgecnn.devices.board import Interpreter, Offer
from edgecnn.devices.wheels.index import Wheel
from edgecnn.devices.wheels.resolve import closure
from edgecnn.devices.wheels.target import Target

LITERT = "ai-edge-litert"
PREDECESSOR = "tflite-runtime"
"""Of LiteRT. Built against NumPy 1, so an environment of its own."""


@dataclass(frozen=True)
class Supply:
    """One environment: wheels that agree, and the Python that they are for.

    Attributes:
        engines: packages that were asked for; the other wheels are what those require.
    """

    name: str
    python: Interpreter
    target: Target
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
    """All that a board can be given, and for each other engine the reason why not."""

    environments: tuple[Supply, ...]
    refused: Mapping[str, str]

    def offer(self) -> Offer:
        """As a bench is told of it."""
        return Offer(
            {
                one.name: {wheel.name: wheel.version for wheel in one.wheels}
                for one in self.environments
            },
            dict(self.refused),
        )

    def chosen(self, packages: Collection[str] | None) -> tuple[Supply, ...]:
        """What `Board.prepare` is asked for: these engines, or all but an outdated one.

        Where LiteRT is asked for and cannot be had, its predecessor stands in.
        """
        held = {engine for one in self.environments for engine in one.engines}
        if packages is None:
            packages = held - ({PREDECESSOR} if LITERT in held else set())
        elif LITERT in packages and LITERT not in held:
            packages = {*packages, PREDECESSOR}
        parts = (one.only(packages) for one in self.environments)
        return tuple(part for part in parts if part is not None)
