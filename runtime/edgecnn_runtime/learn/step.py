"""One step of learning: a training graph in ONNX Runtime, and the values that it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.training.golden_step import labels_spec
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.engines.onnxruntime import (
    import_onnxruntime,
    open_session,
    session_options,
    tensor_spec,
)
from edgecnn_runtime.errors import EngineError, ManifestInvalid, StepNotFinite, first_line
from edgecnn_runtime.learn.random_inputs import uniform
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import (
    GRADIENT_NORM,
    LABELS,
    LOSS,
    NEXT,
    RANGE,
    RATE,
    STEP,
    Training,
)


@dataclass(frozen=True)
class StepResult:
    """Result of one step.

    Attributes:
        loss: of the batch, before the step.
        gradient_norm: Euclidean norm of the gradient of all parameters, without weight decay.
        ranges: least and greatest of each of `Training.ranges` in the batch, by the value's name.
    """

    loss: float
    gradient_norm: float
    ranges: dict[str, Range]


class TrainingStep:
    """A training graph in an ``onnxruntime.InferenceSession``, with what it changes.

    Parameters, state and statistics lie in two buffers each, which ONNX Runtime reads and writes in
    place: a step goes from one to the other, and only one whose results are finite counts.
    Not safe to use from several threads at a time.
    """

    def __init__(
        self,
        graph: bytes,
        manifest: Manifest,
        values: Mapping[str, Array],
        *,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        """Open the graph.

        Args:
            graph: ONNX, checked already.
            values: parameters and statistics by name; state and `STEP` where it has learnt.
            seed: of the random inputs, below 2^64.

        Raises:
            EngineUnavailable: ONNX Runtime is not installed.
            EngineError: it refuses the graph.
            ManifestInvalid: the graph's inputs and outputs are not those of the manifest.
        """
        assert manifest.training is not None
        self._training = training = manifest.training
        self._seed = seed
        self.steps = int(values.get(STEP, 0))
        changed = (*manifest.parameters, *training.statistics, *training.state)
        try:
            self._session: Any = open_session(graph, step_options(threads))
        except Exception as error:  # onnxruntime's exceptions share no narrower base
            raise EngineError(f"onnxruntime refuses the model: {first_line(error)}") from error
        _check_agrees(self._session, manifest, training, changed)
        starts = {spec.name: _start(spec, values) for spec in changed}
        self._buffers = [starts, {name: np.empty_like(array) for name, array in starts.items()}]
        self._scalars = {name: np.zeros((), np.float32) for name in (LOSS, GRADIENT_NORM)}
        self._ranges = {seen.value: np.zeros(2, np.float32) for seen in training.ranges}
        self._bindings = [self._bind(0), self._bind(1)]
        self._current = 0

    def _bind(self, source: int) -> Any:
        """The binding of a step from one buffer to the other."""
        wrap = import_onnxruntime().OrtValue.ortvalue_from_numpy  # shares the array's memory
        binding = self._session.io_binding()
        for name, array in self._buffers[source].items():
            binding.bind_ortvalue_input(name, wrap(array))
            other = self._buffers[1 - source][name]
            binding.bind_ortvalue_output(f"{name}{NEXT}", wrap(other))
        for name, array in self._scalars.items():
            binding.bind_ortvalue_output(name, wrap(array))
        for value, array in self._ranges.items():
            binding.bind_ortvalue_output(f"{value}{RANGE}", wrap(array))
        return binding

    def run(self, feeds: Mapping[str, Array], labels: Array, learning_rate: float) -> StepResult:
        """Learn from a batch that is checked already.

        Args:
            feeds: the network's inputs by name.
            labels: as `labels_spec` says.

        Raises:
            StepNotFinite: loss, gradient or a weight is not finite; the step does not count.
            EngineError: ONNX Runtime failed, or the step is closed.
        """
        self._compute(feeds, labels, learning_rate)
        loss, norm = (float(self._scalars[name]) for name in (LOSS, GRADIENT_NORM))
        self._refuse_infinite(loss, norm, learning_rate)
        self._current = 1 - self._current
        self.steps += 1
        return StepResult(loss, norm, self._seen())

    def ranges(self, feeds: Mapping[str, Array], labels: Array) -> dict[str, Range]:
        """The ranges of `Training.ranges` in a batch, with the weights as they are: no step.

        Raises:
            EngineError: ONNX Runtime failed, or the step is closed.
        """
        self._compute(feeds, labels, 0.0)
        return self._seen() if _are_finite(self._ranges) else {}

    def _compute(self, feeds: Mapping[str, Array], labels: Array, learning_rate: float) -> None:
        """One run of the graph, from the current buffer into the other."""
        if self._session is None:
            raise EngineError("the model is closed; open it again")
        binding = self._bindings[self._current]
        inputs = {**feeds, LABELS: labels, RATE: np.array(learning_rate, np.float32)}
        for place, spec in enumerate(self._training.random):
            shape = (len(labels), *(extent or 1 for extent in spec.shape[1:]))
            inputs[spec.name] = uniform(self._seed, self.steps, place, shape)
        # Held until the run ends: ONNX Runtime reads them where they lie.
        held = {name: np.asarray(array, order="C") for name, array in inputs.items()}
        try:
            for name, array in held.items():
                binding.bind_cpu_input(name, array)
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise EngineError(f"onnxruntime failed: {first_line(error)}") from error

    def _seen(self) -> dict[str, Range]:
        ends = {name: sorted(map(float, pair)) for name, pair in self._ranges.items()}
        return {name: Range(*pair) for name, pair in ends.items()}

    def _refuse_infinite(self, loss: float, norm: float, learning_rate: float) -> None:
        reason = None
        if not np.isfinite([loss, norm]).all():
            reason = f"the loss is {loss:g} and the norm of its gradient {norm:g}"
        elif not _are_finite(self._buffers[1 - self._current]):
            reason = "a weight would no longer be finite"
        elif not _are_finite(self._ranges):
            reason = "a value of the network is not finite"
        if reason is not None:
            raise StepNotFinite(
                f"{reason}; the weights are as before this step. Learn with a smaller "
                f"learning_rate (it was {learning_rate:g}), or look at the images"
            )

    def values(self) -> dict[str, Array]:
        """Copies of parameters, statistics and state as they are now, and `STEP`."""
        values = {name: array.copy() for name, array in self._buffers[self._current].items()}
        return values | {STEP: np.array(self.steps, np.int64)}

    def restore(self, values: Mapping[str, Array]) -> None:
        """Go on from what `values` gave."""
        for name, array in self._buffers[self._current].items():
            array[...] = values[name]
        self.steps = int(values[STEP])

    def close(self) -> None:
        """Free the session; the values stay. Closing twice is allowed."""
        self._session = None
        self._bindings = []


def step_options(threads: int | None = None) -> Any:
    """An ``onnxruntime.SessionOptions`` for training graphs: as for inference, with less memory.

    Without a memory pattern, ONNX Runtime 1.32 does not allocate the second step in a block of its
    own beside the first one's: ResNet-20 takes 58 MB instead of 88 for a step of 16 at 32×32, and
    no longer.

    Args:
        threads: None leaves the number to ONNX Runtime.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed.
    """
    options = session_options(threads)
    options.enable_mem_pattern = False
    return options


def _are_finite(arrays: Mapping[str, Array]) -> bool:
    # A finite sum has finite terms, and takes half the time; the sum of finite ones may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        return all(
            np.isfinite(array.sum()) or np.isfinite(array).all() for array in arrays.values()
        )


def _start(spec: TensorSpec, values: Mapping[str, Array]) -> Array:
    """A buffer with the value that a tensor begins with."""
    if spec.name in values:
        return np.array(values[spec.name], spec.dtype, order="C")
    return np.zeros([extent or 1 for extent in spec.shape], spec.dtype)


def _check_agrees(
    session: Any, manifest: Manifest, training: Training, changed: Sequence[TensorSpec]
) -> None:
    """Check the graph's inputs and outputs against the manifest.

    Raises:
        ManifestInvalid: one is missing, one is there that nobody feeds, or one is of another type.
    """
    scalar = TensorSpec(RATE, "float32", ())
    inputs = (*manifest.inputs, labels_spec(manifest, training), scalar, *training.random, *changed)
    _check_specs("input", tuple(map(tensor_spec, session.get_inputs())), inputs, only=True)
    outputs = [TensorSpec(name, "float32", ()) for name in (LOSS, GRADIENT_NORM)]
    outputs += [TensorSpec(f"{spec.name}{NEXT}", spec.dtype, spec.shape) for spec in changed]
    outputs += [TensorSpec(f"{seen.value}{RANGE}", "float32", (2,)) for seen in training.ranges]
    _check_specs("output", tuple(map(tensor_spec, session.get_outputs())), outputs, only=False)


def _check_specs(
    what: str, actual: Sequence[TensorSpec], expected: Sequence[TensorSpec], *, only: bool
) -> None:
    known = {spec.name: spec for spec in actual}
    for spec in expected:
        found = known.get(spec.name)
        # An extent that the graph leaves open fits any, as the number of classes does.
        fits = (
            found is not None
            and found.dtype == spec.dtype
            and len(found.shape) == len(spec.shape)
            and all(
                None in (one, other) or one == other
                for one, other in zip(found.shape, spec.shape, strict=True)
            )
        )
        if not fits:
            raise ManifestInvalid(
                f"the training graph has the {what} {found}, the manifest says {spec}"
            )
    if only and (extra := sorted(set(known) - {spec.name for spec in expected})):
        raise ManifestInvalid(
            f"the training graph has the {what} {extra[0]!r}, which the manifest does not list"
        )
