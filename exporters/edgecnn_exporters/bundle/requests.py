"""Requests for an export: what a bundle is to be called, to carry, and to be quantised with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.capture.examples import (
    PLAIN_RANGE,
    GivenExamples,
    example_batch,
    noise_batch,
    reads_images,
)
from edgecnn_exporters.capture.onnx_source import OPSET
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.targets import Target
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.progress import Progress
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edgecnn_exporters.gradient.training_graph import TrainingRequest
    from edgecnn_exporters.quantise.trained import TrainedNumbers

BATCHES = (1, 2, 3, 7)
GOLDEN_IMAGES = 3


@dataclass(frozen=True)
class AccuracyVerdict:
    """Task accuracy of a bundle with fp32 and int8, and whether it may be shipped.

    Attributes:
        accuracy: for the provenance.
        failure: the reason why it must not be shipped; None where it may.
    """

    accuracy: Mapping[str, Any]
    failure: str | None


# Called with the path of a bundle and a progress callback.
Judge = Callable[[Path, Progress], AccuracyVerdict]


@dataclass(frozen=True)
class QuantiseRequest:
    """Request of an 8-bit artefact: configuration, calibration samples, accuracy check.

    Attributes:
        data: description of the samples, for the provenance.
        inputs: range of the network's input, where ranges follow from batch normalisation and
            the samples only judge.
        allow_weak: an int8 artefact that loses more than it should is written, behind the others.
        is_limited: a limit on the loss of classes was stated, which decides in place of the SQNR.
        is_private: the samples are the user's own, and none is packed.
        fresh: further samples, which measure the result and decide nothing.
        trained: numbers of a training in 8 bits, which stand in place of calibration.
        judge: checks the bundle's accuracy before it is written; None for no check.
    """

    config: QuantConfig
    samples: Samples
    data: str
    judge: Judge | None = None
    inputs: Range | None = None
    allow_weak: bool = False
    is_limited: bool = False
    is_private: bool = False
    fresh: Samples = ()
    trained: TrainedNumbers | None = None


@dataclass(frozen=True)
class Request:
    """Export request: name, input, preprocessing, labels and formats of a bundle.

    Attributes:
        name: short name of the network.
        input: float32, 4-D; a batch of None is dynamic.
        labels: class names in class order; None numbers the classes.
        source: where structure and weights came from; becomes part of the provenance.
        command: the command line, for the provenance.
        quantise: how to make the 8-bit artefact; None makes none.
        targets: the formats beside ONNX, each with its options.
        optional: names of targets that are left out where they cannot hold the network.
        half: a float artefact whose weights are stored in 16 bits, of each target that writes one.
        is_zoo: the network is one of edgecnn's own.
        golden: the inputs to compare on and to pack; None takes edgecnn's photographs, or noise
            where the input is no image.
        input_range: of the network's input, where samples of it were measured.
        learn: what a device may learn, and how; None: nothing.
    """

    name: str
    input: TensorSpec
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None = None
    opset: int = OPSET
    source: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    quantise: QuantiseRequest | None = None
    targets: tuple[Target, ...] = ()
    half: bool = False
    is_zoo: bool = False
    golden: GivenExamples | None = None
    input_range: Range | None = None
    learn: TrainingRequest | None = None
    optional: frozenset[str] = frozenset()

    @property
    def reads_images(self) -> bool:
        """Whether photographs are like its input: not where samples of arrays were measured."""
        if self.preprocess is None and self.input_range is not None:
            return False
        return reads_images(self.input, self.preprocess)

    def feeds(self) -> list[Float32]:
        """Inputs at each of `BATCHES`, or three of the fixed batch size; no two share memory."""
        batch = self.input.shape[0]
        if batch is None:
            examples = self._examples(max(BATCHES))
            return [examples[:size].copy() for size in BATCHES]
        examples = self._examples(GOLDEN_IMAGES * batch)
        return [part.copy() for part in np.split(examples, GOLDEN_IMAGES)]

    def golden_feeds(self) -> list[Float32]:
        """Inputs of the golden examples: of batch 1, or of the fixed batch; three, or as given."""
        batch, given = self.input.shape[0] or 1, self.golden
        count = GOLDEN_IMAGES if given is None else max(1, len(given.inputs) // batch)
        return [part.copy() for part in np.split(self._examples(count * batch), count)]

    def _examples(self, count: int) -> Float32:
        """`count` inputs as the network reads them."""
        if self.golden is not None:
            return self.golden.inputs[np.arange(count) % len(self.golden.inputs)]
        if self.reads_images:
            return example_batch(self.input, self.preprocess, count)
        values = self.input_range
        low, high = PLAIN_RANGE if values is None else (values.low, values.high)
        return noise_batch(self.input, low, high, count)
