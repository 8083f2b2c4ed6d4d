"""Fake engine in numpy: a test double for code that is built on edgecnn.

Its artefact (format ``fake``) is a JSON object:

    {"inputs": [["input", "float32", [null, 3, 8, 8]]],
     "outputs": [["logits", "float32", [null, 3]]],
     "scale": 2.0, "offset": 1.0}

Every output is ``scale * mean + offset``, the mean of the first input over the axes that the
output lacks: a classifier that finds the brightest channel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar, Self

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines import refuse_weights
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.tensor_spec import TensorSpec

_ENTRY = ENGINES["fake"]


class FakeEngine:
    """The engine ``fake``; runs the JSON artefact above with numpy."""

    name: ClassVar[str] = _ENTRY.name
    formats: ClassVar[frozenset[str]] = _ENTRY.formats
    extra: ClassVar[str | None] = _ENTRY.extra
    is_thread_safe: ClassVar[bool] = True

    def __init__(
        self,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        scale: float,
        offset: float,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._scale = scale
        self._offset = offset
        self._is_open = True

    @classmethod
    def is_installed(cls) -> bool:
        return True

    @classmethod
    def version(cls) -> str:
        return "1"

    @classmethod
    def open(
        cls, model: bytes, *, weights: bytes | None = None, threads: int | None = None
    ) -> Self:
        refuse_weights(cls.name, weights)
        try:
            fields = json.loads(model)
            return cls(
                _specs(fields["inputs"]),
                _specs(fields["outputs"]),
                float(fields["scale"]),
                float(fields["offset"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"fake refuses the model: {error!r}") from error

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        if not self._is_open:
            raise EngineError("the model is closed; open it again")
        check_feeds(self.inputs, feeds)
        array = feeds[self.inputs[0].name]
        return {
            spec.name: (
                self._scale * array.mean(axis=tuple(range(len(spec.shape), array.ndim)))
                + self._offset
            ).astype(spec.dtype)
            for spec in self.outputs
        }

    def close(self) -> None:
        self._is_open = False


def _specs(values: list[tuple[str, str, list[int | None]]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, dtype, tuple(shape)) for name, dtype, shape in values)
