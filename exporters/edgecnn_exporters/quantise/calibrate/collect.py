"""Calibration run: statistics of every activation, collected sample by sample."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.calibrate.statistics import Observation, TensorStatistics
from edgecnn_exporters.quantise.graph.eligible import bounds
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.in_parallel import MOST_AT_ONCE, in_parallel
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Range
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

    @classmethod
    def of(cls, values: Float32) -> ChannelStatistics:
        """Those of one sample's values."""
        rows = values.reshape(*values.shape[:2], -1)
        # One axis after the other: over both at once numpy takes three times as long.
        return cls(rows.min(axis=2).min(axis=0), rows.max(axis=2).max(axis=0))

    def joined(self, other: ChannelStatistics) -> ChannelStatistics:
        """Those of both."""
        return ChannelStatistics(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def calibrate(
    model: ir.Model,
    samples: Samples,
    values: Collection[str],
    channels: Collection[str] = (),
    progress: Progress = no_progress,
    at_once: int = MOST_AT_ONCE,
) -> CalibrationStatistics:
    """Run the float model on every sample and collect the statistics of its values.

    The activations of a few samples are held at a time, and of them no more than a histogram is
    kept: memory does not depend on the number of samples.

    Args:
        values: names of those whose distribution is wanted.
        channels: names of those whose channels are wanted.
        at_once: samples whose activations may be in memory at a time.

    Raises:
        CalibrationFailed: a value is NaN or infinite, or there are no samples.
    """
    if not len(samples):
        raise CalibrationFailed("there are no samples to calibrate with")
    clips = _clips(model.graph, values, channels)
    wanted = [name for name in (*values, *channels) if name not in clips]
    probe = ValueProbe(model, list(dict.fromkeys(wanted)))

    def observe(numbered: tuple[int, Float32]) -> _Seen:
        number, sample = numbered
        try:
            return _Seen.of(probe.run(sample), values, channels, clips)
        except ValueError as error:
            raise CalibrationFailed(
                f"{error} holds NaN or infinity for sample {number}: no range can hold it; "
                "look at the weights before it, and at the sample"
            ) from error

    tensor_statistics = {name: TensorStatistics() for name in values}
    extremes: dict[str, ChannelStatistics] = {}
    for number, seen in enumerate(in_parallel(observe, enumerate(samples), at_once)):
        for name, values_seen in seen.values.items():
            tensor_statistics[name].add(values_seen)
        for name, each in seen.channels.items():
            extremes[name] = extremes.get(name, each).joined(each)
        progress((number + 1) / len(samples))
    return CalibrationStatistics(tensor_statistics, extremes, len(samples))


@dataclass(frozen=True)
class _Seen:
    """What is kept of one sample."""

    values: dict[str, Observation]
    channels: dict[str, ChannelStatistics]

    @classmethod
    def of(
        cls,
        outputs: Mapping[str, Float32],
        values: Collection[str],
        channels: Collection[str],
        clips: Mapping[str, _Clip],
    ) -> _Seen:
        """Look at one sample's outputs.

        Raises:
            ValueError: a value is not finite; the message is its name.
        """
        extremes = {name: ChannelStatistics.of(outputs[name]) for name in channels}
        observed: dict[str, Observation] = {}
        for name in values:
            clip = clips.get(name)
            source = name if clip is None else clip.source
            own = extremes.get(source)
            ends = () if own is None else (float(own.low.min()), float(own.high.max()))
            try:
                seen = Observation.of(outputs[source], *ends)
            except ValueError as error:
                raise ValueError(name) from error
            observed[name] = seen if clip is None else seen.clipped(clip.limits)
        return cls(observed, extremes)


@dataclass(frozen=True)
class _Clip:
    """A value that is another one, clipped."""

    source: str
    limits: Range


def _clips(graph: ir.Graph, values: Collection[str], channels: Collection[str]) -> dict[str, _Clip]:
    """The values that are `channels` behind a Relu or a Clip: they follow, and are not fetched."""
    found = {}
    for node in graph:
        source, *limits = node.inputs
        name = str(node.outputs[0].name)
        if not is_operator(node, "Relu", "Clip") or source is None or name not in values:
            continue
        is_known = all(each is None or constant(each) is not None for each in limits)
        if is_known and source.name in channels and name not in channels:
            found[name] = _Clip(str(source.name), bounds(node))
    return found
