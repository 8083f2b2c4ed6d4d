"""The protocol of an inference engine: one opened model, its facts, `open`, `run` and `close`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.tensor_spec import TensorSpec


class Engine(Protocol):
    """One opened model. `tests/contract/test_engines.py` has the rules that each engine keeps.

    A plug-in may add three members: ``packages``, a tuple of the packages of the package index any
    of which contains it, in order of preference (without it: the distribution that registers it);
    the class method ``package()``, the package whose version `version` returns; and
    ``is_thread_safe = True`` if threads may call `run` at the same time, and `close` meanwhile.
    Without that a `Session` lets one thread at a time into the engine.
    """

    name: ClassVar[str]
    """The name of its entry, in the table or in the entry point group."""
    formats: ClassVar[frozenset[str]]
    """Artefact formats that the engine opens."""
    extra: ClassVar[str | None]
    """The extra of edgecnn that installs it; None for a plug-in or an engine without packages."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its package is installed; checked without importing it."""
        ...

    @classmethod
    def version(cls) -> str:
        """The engine's version; imports its package.

        Raises:
            EngineUnavailable: it is not installed.
        """
        ...

    @classmethod
    def open(
        cls, model: bytes, *, weights: bytes | None = None, threads: int | None = None
    ) -> Self:
        """Make a model ready to run.

        Args:
            model: the artefact's bytes.
            weights: the bytes of its weights file, if the format has one.
            threads: intra-operator threads; None leaves the engine's own default.

        Raises:
            EngineUnavailable: the engine is not installed.
            EngineError: the engine refuses the model, or a weights file that its format lacks.
        """
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """One inference: input name → array in, output name → array out.

        The outputs are the caller's: no later run, and no `close`, changes them.

        Raises:
            FeedError: an input is missing, unexpected, or of the wrong shape or type.
            EngineError: the engine failed, or the model is closed.
        """
        ...

    def close(self) -> None:
        """Free the model. Closing twice is allowed."""
        ...
