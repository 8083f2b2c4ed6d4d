"""Requests for an export: what a bundle is to be called, to carry, and to be quantised with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn_exporters.capture.examples import example_batch
from edgecnn_exporters.capture.onnx_source import OPSET
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.encoding import Range
from edgecnn_exporters.targets import Target
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.manifest import Preprocess, TensorSpec
from edgecnn_runtime.progress import Progress

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
        half: a float artefact whose weights are stored in 16 bits, of each target that writes one.
        is_zoo: the network is one of edgecnn's own.
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

    def feeds(self) -> list[Float32]:
        """Real images as inputs: at each of `BATCHES`, or three of the fixed batch size.

        No two share memory.
        """
        batch = self.input.shape[0]
        if batch is None:
            examples = example_batch(self.input, self.preprocess, max(BATCHES))
            return [examples[:size].copy() for size in BATCHES]
        examples = example_batch(self.input, self.preprocess, GOLDEN_IMAGES * batch)
        return [part.copy() for part in np.split(examples, GOLDEN_IMAGES)]
