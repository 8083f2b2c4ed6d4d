"""Adapter from the manifest's inputs and outputs to an engine's layout, batch and integers.

An artefact may order its axes channels-last, take one example at a time, or have integer inputs
and outputs (`Artefact.layout`, `Artefact.encodings`). The adapter hides all three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.errors import FeedError, ManifestInvalid
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

ScaleZeroPoint = tuple[float, int]

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


class Model(Protocol):
    """An opened model: an `Engine`, or its adapter from `adapt`."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...
    def version(self) -> str: ...
    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]: ...
    def close(self) -> None: ...


class Adapted:
    """An engine with the inputs and outputs of the manifest. Made by `adapt`."""

    def __init__(self, engine: Model, manifest: Manifest, artefact: Artefact) -> None:
        self.engine = engine
        self.name = engine.name
        self.inputs = manifest.inputs
        self.outputs = manifest.outputs
        self._is_nhwc = artefact.layout == "NHWC"
        self._encodings = artefact.encodings
        self._dtypes = {spec.name: spec.dtype for spec in engine.inputs}
        native_specs = {spec.name: spec for spec in engine.inputs}
        self._batched = [spec.name for spec in self.inputs if spec.shape[:1] == (None,)]
        self._takes_one = any(native_specs[name].shape[0] == 1 for name in self._batched)

    def version(self) -> str:
        return self.engine.version()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """`Engine.run` on the manifest's inputs and outputs."""
        check_feeds(self.inputs, feeds)
        outputs = [self.engine.run(self._encode(part)) for part in self._parts(feeds)]
        decoded = [self._decode(each) for each in outputs]
        if len(decoded) == 1:
            return decoded[0]
        return {spec.name: self._joined(spec, decoded) for spec in self.outputs}

    def native(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Feeds of one run of `engine`, in its own layout and types.

        If the engine takes one example at a time: the first example of the batch.
        """
        check_feeds(self.inputs, feeds)
        encoded = self._encode(next(iter(self._parts(feeds))))
        return {name: np.ascontiguousarray(array) for name, array in encoded.items()}

    def close(self) -> None:
        self.engine.close()

    def _parts(self, feeds: Mapping[str, Array]) -> Iterator[Mapping[str, Array]]:
        """The feeds, split into batches that the engine takes."""
        if not self._takes_one:
            yield feeds
            return
        sizes = {name: len(feeds[name]) for name in self._batched}
        if len(set(sizes.values())) > 1:
            raise FeedError(f"inputs differ in their batch: {sizes}; feed as many of each")
        for row in range(min(sizes.values())):
            yield {
                name: array[row : row + 1] if name in sizes else array
                for name, array in feeds.items()
            }

    @staticmethod
    def _joined(spec: TensorSpec, parts: Sequence[Mapping[str, Array]]) -> Array:
        """One output of several runs, joined along its batch axis, which need not be the first."""
        if None not in spec.shape:
            raise FeedError(
                f"output {spec} has no batch axis, and the model takes one example at a time: feed "
                "one at a time"
            )
        return np.concatenate([part[spec.name] for part in parts], spec.shape.index(None))

    def _encode(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        encoded = {}
        for name, array in feeds.items():
            # A view: the engine reads it in its memory order and copies it once.
            native = array.transpose(TO_NHWC) if self._is_nhwc and array.ndim == 4 else array
            if name in self._encodings:
                native = quantise(native, self._encodings[name], self._dtypes[name])
            encoded[name] = native
        return encoded

    def _decode(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        decoded = {}
        for spec in self.outputs:
            array = outputs[spec.name]
            if self._is_nhwc and array.ndim == 4:
                array = np.ascontiguousarray(array.transpose(TO_NCHW))
            if spec.name in self._encodings:
                array = dequantise(array, self._encodings[spec.name])
            decoded[spec.name] = array
        return decoded


def adapt(engine: Model, manifest: Manifest, artefact: Artefact) -> Model:
    """`engine` with the inputs and outputs of the manifest; unchanged if it has them already.

    Raises:
        ManifestInvalid: the model's inputs or outputs do not match manifest and artefact.
    """
    _check_agrees(manifest, artefact, engine)
    if (engine.inputs, engine.outputs) == (manifest.inputs, manifest.outputs):
        return engine
    return Adapted(engine, manifest, artefact)


def one_run(model: Model, feeds: Mapping[str, Array]) -> Callable[[], dict[str, Array]]:
    """The function to time: one run of the engine itself, on feeds in its own layout and types."""
    if isinstance(model, Adapted):
        engine, native = model.engine, model.native(feeds)
        return lambda: engine.run(native)
    return lambda: model.run(feeds)


def is_thread_safe(model: Model) -> bool:
    """Whether threads may run the model at the same time, and close it meanwhile.

    The engine says so (`Engine`); what the adapter does itself keeps no state.
    """
    engine = model.engine if isinstance(model, Adapted) else model
    return bool(getattr(engine, "is_thread_safe", False))


def quantise(array: Array, encoding: ScaleZeroPoint, dtype: str) -> Array:
    """``round(array / scale) + zero_point`` as `dtype`, half to even, saturating."""
    scale, zero_point = encoding
    limits = np.iinfo(dtype)
    with np.errstate(over="ignore"):  # infinity saturates like any other large value
        steps = np.rint(array / np.float32(scale)) + np.float32(zero_point)
    integers: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
    return integers


def dequantise(array: Array, encoding: ScaleZeroPoint) -> Array:
    """``scale * (array - zero_point)`` in float32."""
    scale, zero_point = encoding
    real: Array = (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return real


def _check_agrees(manifest: Manifest, artefact: Artefact, engine: Model) -> None:
    for what, promised, actual in (
        ("inputs", manifest.inputs, engine.inputs),
        ("outputs", manifest.outputs, engine.outputs),
    ):
        native = {spec.name: spec for spec in actual}
        fits = len(native) == len(actual) == len(promised) and all(
            spec.name in native
            and _fits(spec, native[spec.name], artefact, is_output=what == "outputs")
            for spec in promised
        )
        if not fits:
            raise ManifestInvalid(
                f"{manifest.name}: the manifest says {what} {', '.join(map(str, promised))}"
                f"{_form(artefact)}; the model has {', '.join(map(str, actual))}"
            )


def _fits(promised: TensorSpec, native: TensorSpec, artefact: Artefact, *, is_output: bool) -> bool:
    shape = promised.shape
    if artefact.layout == "NHWC" and len(shape) == 4:
        shape = tuple(shape[axis] for axis in TO_NHWC)
    dtypes = {"int8", "uint8"} if promised.name in artefact.encodings else {promised.dtype}
    if native.dtype not in dtypes or len(native.shape) != len(shape):
        return False
    # For one example an output may hold several rows (N x 4 boxes in one axis), an input one.
    # A model of any batch serves a bundle of a fixed one.
    return all(
        actual == extent
        or (extent is None and (is_output or (axis == 0 and actual == 1)))
        or (actual is None and axis == 0)
        for axis, (extent, actual) in enumerate(zip(shape, native.shape, strict=True))
    )


def _form(artefact: Artefact) -> str:
    """Layout and encodings of the artefact, as text for an error message."""
    layout = "" if artefact.layout is None else f", here {artefact.layout}"
    integers = f", {', '.join(artefact.encodings)} in 8 bits" if artefact.encodings else ""
    return layout + integers
