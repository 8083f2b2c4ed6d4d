"""Golden inputs of a plan as the static agent reads them, and the verdict on its outputs."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.devices.static_agent.program import ENGINE, PACKAGE
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.adapted import Adapted, adapt
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.engines.native import NativeEngine
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.measure.worker import prove_row
from edgecnn_runtime.parity.golden import golden_answers
from edgecnn_runtime.session import zero_feeds
from edgecnn_runtime.tensor_spec import TensorSpec


@dataclass
class Recorded:
    """A `Model` whose runs note their inputs, and answer with zeros or with recorded outputs."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    answers: Iterator[Mapping[str, Array]] | None = None
    fed: list[dict[str, Array]] = field(default_factory=list)
    name: str = ENGINE

    def version(self) -> str:
        return ""

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.fed.append({spec.name: np.ascontiguousarray(feeds[spec.name]) for spec in self.inputs})
        if self.answers is not None:
            return dict(next(self.answers))
        batch = len(self.fed[-1][self.inputs[0].name])
        return {spec.name: np.zeros((batch, *spec.shape[1:]), spec.dtype) for spec in self.outputs}

    def close(self) -> None:
        """No effect: nothing was opened."""


@dataclass(frozen=True)
class Plan:
    """A plan of a bundle, with the golden inputs that it is run on.

    Attributes:
        content: of the file.
        examples: feeds of each golden example, in the plan's own layout and types; those of zeros
            where the bundle has none. The first is timed.
    """

    bundle: Path
    artefact: Artefact
    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    examples: tuple[Mapping[str, Array], ...]

    @property
    def batches(self) -> str:
        """Images of each example, as the agent's command line has them."""
        first = self.inputs[0].name
        return ",".join(str(len(feeds[first])) for feeds in self.examples)

    @property
    def input_bytes(self) -> bytes:
        """Example after example, input after input."""
        arrays = (feeds[spec.name] for feeds in self.examples for spec in self.inputs)
        return b"".join(array.tobytes() for array in arrays)

    def judge(self, chunks: Iterable[Mapping[str, Any]], version: str) -> dict[str, Any]:
        """Fields of a ``row`` event: verdict of the outputs, and whether they are this machine's.

        Args:
            chunks: the agent's events ``output``.
            version: of the engine on the board.

        Raises:
            EngineError: outputs are missing.
        """
        answers = self._answers(chunks)
        identity = EngineId(ENGINE, version, PACKAGE)
        with Bundle(self.bundle) as bundle:
            recorded = Recorded(self.inputs, self.outputs, iter(answers))
            model = adapt(recorded, bundle.manifest, self.artefact)
            fields, _ = prove_row(bundle, self.artefact, model, identity)
        return fields | self._likeness(answers, fields)

    def _answers(self, chunks: Iterable[Mapping[str, Any]]) -> list[dict[str, Array]]:
        parts: dict[tuple[int, int], list[bytes]] = {}
        for chunk in chunks:
            key = (int(chunk["example"]), int(chunk["output"]))
            parts.setdefault(key, []).append(base64.b64decode(chunk["base64"]))
        answers = []
        for number, feeds in enumerate(self.examples):
            batch = len(feeds[self.inputs[0].name])
            outputs = {}
            for place, spec in enumerate(self.outputs):
                content = b"".join(parts.get((number, place), []))
                shape = (batch, *map(int, spec.shape[1:]))  # type: ignore[arg-type]  # the batch alone is open
                if len(content) != int(np.prod(shape)) * np.dtype(spec.dtype).itemsize:
                    raise EngineError(f"{len(content)} bytes of {spec.name} came, of {shape}")
                outputs[spec.name] = np.frombuffer(content, spec.dtype).reshape(shape)
            answers.append(outputs)
        return answers

    def _likeness(
        self, answers: Sequence[Mapping[str, Array]], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Compare with the same engine on this machine, byte by byte, where it is installed."""
        if not NativeEngine.is_installed():
            return {}
        engine = NativeEngine.open(self.content)
        try:
            own = [engine.run(feeds) for feeds in self.examples]
        finally:
            engine.close()
        is_identical = all(
            here[name].tobytes() == there[name].tobytes()
            for here, there in zip(own, answers, strict=True)
            for name in here
        )
        if is_identical:
            words = [fields["note"], "identical to this machine's, bit by bit"]
            return {"note": "; ".join(filter(None, words))}
        note = "its outputs are not this machine's, bit by bit: native's kernels must agree"
        return {"verdict": "differs", "note": note}


def plan_of(bundle: Path, artefact: Artefact, described: Mapping[str, Any], content: bytes) -> Plan:
    """The plan and its golden inputs.

    Args:
        described: the agent's event ``plan``.
    """
    inputs, outputs = (tuple(map(_spec, described[key])) for key in ("inputs", "outputs"))
    recorded = Recorded(inputs, outputs)
    with Bundle(bundle) as opened:
        model = adapt(recorded, opened.manifest, artefact)
        for _ in golden_answers(opened, model):
            pass
        if not recorded.fed:
            feeds = zero_feeds(opened.manifest)
            recorded.run(model.native(feeds) if isinstance(model, Adapted) else feeds)
    return Plan(bundle, artefact, content, inputs, outputs, tuple(recorded.fed))


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(tensor["name"], tensor["dtype"], (None, *tensor["shape"]))
