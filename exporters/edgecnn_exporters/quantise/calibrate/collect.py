"""Calibration run: statistics of every activation, collected sample by sample."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.calibrate.statistics import TensorStatistics
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.progress import Progress, no_progress

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class CalibrationStatistics:
    """Result of a calibration: statistics of tensors and channels.

    Attributes:
        values: by name of the value.
        channels: least and greatest of each channel, by name of the value.
        samples: how many were seen.
    """

    values: Mapping[str, TensorStatistics]
    channels: Mapping[str, ChannelStatistics]
    samples: int


@dataclass(frozen=True)
class ChannelStatistics:
    """Least and greatest of each channel of one value (N, C, …): two arrays (C,)."""

    low: Float32
    high: Float32


def calibrate(
    model: ir.Model,
    samples: Samples,
    values: Collection[str],
    channels: Collection[str] = (),
    progress: Progress = no_progress,
) -> CalibrationStatistics:
    """Run the float model on every sample and collect the statistics of its values.

    The activations of one sample alone are held at a time, and of them no more than a histogram is
    kept: memory does not depend on the number of samples.

    Args:
        values: names of those whose distribution is wanted.
        channels: names of those whose channels are wanted.

    Raises:
        CalibrationFailed: a value is NaN or infinite, or there are no samples.
    """
    probe = ValueProbe(model, list(dict.fromkeys((*values, *channels))))
    tensor_statistics = {name: TensorStatistics() for name in values}
    sums = {name: _Channels() for name in channels}
    for number, outputs in enumerate(probe.stream(samples)):
        for name, statistics in tensor_statistics.items():
            try:
                statistics.observe(outputs[name])
            except ValueError as error:
                raise CalibrationFailed(
                    f"{name} holds NaN or infinity for sample {number}: no range can hold it; "
                    "look at the weights before it, and at the sample"
                ) from error
        for name, each in sums.items():
            each.observe(outputs[name])
        progress((number + 1) / len(samples))
    if not len(samples):
        raise CalibrationFailed("there are no samples to calibrate with")
    return CalibrationStatistics(
        tensor_statistics, {name: each.result() for name, each in sums.items()}, len(samples)
    )


class _Channels:
    """Least and greatest of each channel so far."""

    def __init__(self) -> None:
        self._low: Float32 | None = None
        self._high: Float32 | None = None

    def observe(self, values: Float32) -> None:
        rows = values.reshape(*values.shape[:2], -1)
        # One axis after the other: over both at once numpy takes three times as long.
        low, high = rows.min(axis=2).min(axis=0), rows.max(axis=2).max(axis=0)
        self._low = low if self._low is None else np.minimum(self._low, low)
        self._high = high if self._high is None else np.maximum(self._high, high)

    def result(self) -> ChannelStatistics:
        assert self._low is not None
        assert self._high is not None
        return ChannelStatistics(self._low, self._high)
