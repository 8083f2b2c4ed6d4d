"""Inference engines behind one protocol.

In-tree engines are the dict `ENGINES`; others register the entry point group ``edgecnn.engines``.
An engine's module imports its package only when a model is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast

import numpy as np

from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import TensorSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

Array = np.ndarray[Any, np.dtype[Any]]

ENGINES: dict[str, str] = {
    "onnxruntime": "edgecnn_runtime.engines.onnxruntime:OnnxRuntimeEngine",
    "openvino": "edgecnn_runtime.engines.openvino:OpenVINOEngine",
    "tflite": "edgecnn_runtime.engines.tflite:TFLiteEngine",
    "fake": "edgecnn_runtime.engines.fake:FakeEngine",
}


class Engine(Protocol):
    """One opened model. `tests/contract/test_engines.py` is what each must hold to."""

    name: ClassVar[str]
    formats: ClassVar[frozenset[str]]
    """Artefact formats that the engine opens."""
    extra: ClassVar[str | None]
    """The extra of edgecnn that installs it; None for one that is always there."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its package is there; found without importing it."""
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
            weights: the bytes of its companion file, of a format that has one.
            threads: intra-operator threads; None leaves the engine's own default.

        Raises:
            EngineUnavailable: the engine is not installed.
            EngineError: the engine refuses the model, or weights that its format does not have.
        """
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """One inference: input name → array in, output name → array out.

        Raises:
            FeedError: an input is missing, unexpected, or of the wrong shape or type.
            EngineError: the engine failed, or the model is closed.
        """
        ...

    def close(self) -> None:
        """Free the model. Closing twice is allowed."""
        ...


def engine_names() -> Iterator[str]:
    """All known engines, in order of preference; the test double last.

    Entry points are looked up only by those who read that far.
    """
    yield from (name for name in ENGINES if name != "fake")
    yield from (point.name for point in _entry_points() if point.name not in ENGINES)
    yield "fake"


def refuse_weights(engine: str, weights: bytes | None) -> None:
    """There are none, as it must be where the format keeps everything in one file.

    Raises:
        EngineError: there are.
    """
    if weights is not None:
        raise EngineError(
            f"{engine} refuses the model: it comes with a file of weights ({len(weights)} bytes), "
            "expected a format that holds its own; take 'weights' out of the artefact"
        )


def is_importable(module: str) -> bool:
    """Whether a module could be imported, found without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in is absent
        return False


def engine_class(name: str) -> type[Engine]:
    """The engine called `name`, not yet opened.

    Raises:
        EngineError: no engine has that name.
    """
    target = ENGINES.get(name)
    if target is None:
        for point in _entry_points():
            if point.name == name:
                return cast("type[Engine]", point.load())
        raise EngineError(f"no engine is called {name!r}; there are {', '.join(engine_names())}")
    module, attribute = target.split(":")
    return cast("type[Engine]", getattr(importlib.import_module(module), attribute))


def _entry_points() -> EntryPoints:
    # Imported here: importlib.metadata costs as much as the rest of the runtime.
    from importlib.metadata import entry_points

    return entry_points(group="edgecnn.engines")
