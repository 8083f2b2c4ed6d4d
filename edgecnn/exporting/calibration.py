"""Calibration samples: images through the bundle's own preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

from edgecnn.data.class_folders import name_some
from edgecnn.data.iterables import Items, items_name
from edgecnn.data.named import NAMED
from edgecnn.data.pictures import (
    PHOTOGRAPHS,
    SAMPLES,
    ImageList,
    draw,
    find_images,
    is_image_source,
    read_npz,
)
from edgecnn.errors import DataUnreadable
from edgecnn.exporting.input_range import range_of_images, unlike_preprocessing
from edgecnn.exporting.iterable_samples import spool_items
from edgecnn.exporting.samples import ImageSamples, batches, spool_inputs, spool_some
from edgecnn_exporters.capture.examples import (
    NAMES,
    PLAIN_RANGE,
    example_batch,
    noise_batch,
    reads_images,
)
from edgecnn_exporters.quantise.calibrate.samples import Spool
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

CalibrationData: TypeAlias = str | Items
"""As `open_calibration` takes it."""
BATCH_NORM = "batch-norm"
_NAMES = (*NAMED, SAMPLES, PHOTOGRAPHS, BATCH_NORM)
# Twenty photographs give ranges, a hundred give the means that biases are corrected by.
FEW = 32


@dataclass(frozen=True)
class CalibrationSamples:
    """Calibration samples in a temporary file, and notes for the user.

    Attributes:
        name: what they are, for the provenance.
        inputs: least and greatest of the network's input, where batch normalisation tells the
            ranges; the samples then only judge.
        measured: least and greatest of samples that are inputs of the user's; None for images.
        fresh: others of the same source, to measure the result with; None where there are none.
    """

    name: str
    samples: Spool
    notes: tuple[str, ...]
    inputs: Range | None = None
    measured: Range | None = None
    fresh: Spool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the temporary files."""
        self.samples.close()
        if self.fresh is not None:
            self.fresh.close()


def open_calibration(
    data: CalibrationData,
    spec: TensorSpec,
    prepare: Preprocess | None,
    count: int,
    fresh: int = 0,
    *,
    quiet: bool = False,
) -> CalibrationSamples:
    """Open at most `count` calibration samples, and at most `fresh` others of the same source.

    Args:
        data: mnist, fashion-mnist, cifar10, imagenet-samples, photographs (those that come with
            edgecnn), a folder of images, or an ``.npz`` of one array: images (N, H, W, C) uint8, or
            inputs as the network reads them, float32. Or batch-norm, for no samples but judges.
            Or any iterable of images and inputs, as `labelled_values` reads it.
        spec: the network's input.

    Raises:
        DataUnreadable: nothing of that name, nothing in it, or nothing that fits.
        CalibrationFailed: samples that are not finite.
    """
    if not isinstance(data, str):
        return _from_items(data, spec, prepare, count, fresh)
    opened = _open(data, spec, prepare, count, fresh, quiet=quiet)
    if data in _NAMES and Path(data).is_dir():
        note = f"{data!r} is edgecnn's own set, not the folder of that name here: that is ./{data}"
        return replace(opened, notes=(note, *opened.notes))
    return opened


def _open(
    data: str, spec: TensorSpec, prepare: Preprocess | None, count: int, fresh: int, *, quiet: bool
) -> CalibrationSamples:
    if data == BATCH_NORM:
        return _from_batch_norm(spec, prepare)
    if data.endswith(".npz"):
        array = read_npz(Path(data))
        if array.dtype.kind == "f":
            return _from_inputs(data, array, spec, count, fresh)
        images: ImageList = array
    elif data == PHOTOGRAPHS:
        few = _own_examples(spec, prepare, min(count, 8 * len(NAMES)))
        return CalibrationSamples(data, Spool(batches(few, spec)), (_few(len(few)),))
    elif is_image_source(data):
        images = find_images(data, quiet=quiet)
    else:
        raise DataUnreadable(f"{data} is not a folder, not an .npz and none of {', '.join(_NAMES)}")
    if prepare is None:
        raise DataUnreadable(
            f"{data} holds images, and the network has no preprocessing for them: say "
            "--preprocess, or calibrate with an .npz of inputs"
        )
    source = ImageSamples(images, spec, prepare, Path(data))
    return _from_images(data, source, count, fresh)


def _own_examples(spec: TensorSpec, prepare: Preprocess | None, count: int) -> Float32:
    """Mirror images and crops of the four photographs, or noise where the input is no image."""
    if reads_images(spec, prepare):
        return example_batch(spec, prepare, count)
    return noise_batch(spec, *PLAIN_RANGE, count)


def _from_batch_norm(spec: TensorSpec, prepare: Preprocess | None) -> CalibrationSamples:
    """Calibration by batch-norm statistics; the shipped photographs serve for comparison only."""
    if prepare is None:
        raise DataUnreadable(
            "batch normalisation does not give the range of the network's input: --preprocess does"
        )
    judges = example_batch(spec, prepare, 8 * len(NAMES))
    return CalibrationSamples(
        BATCH_NORM,
        Spool(batches(judges, spec)),
        (
            "ranges by batch normalisation, without samples: the weaker choice; "
            "--calibrate FOLDER takes a hundred of your images",
        ),
        range_of_images(prepare),
    )


def likely_data(trained_on: str | None) -> str:
    """Default calibration data of a network."""
    if trained_on is not None and (trained_on in NAMED or Path(trained_on).is_dir()):
        return trained_on
    return PHOTOGRAPHS


def is_private(data: CalibrationData) -> bool:
    """Whether samples are the user's own: files of a folder, an ``.npz``, an iterable."""
    return not isinstance(data, str) or data not in _NAMES


def data_name(data: CalibrationData) -> str:
    """Name of samples for the provenance: a path of one's own home is none of it."""
    if not isinstance(data, str):
        return items_name(data)
    return Path(data).name if Path(data).is_absolute() else data


def _few(count: int) -> str:
    return (
        f"calibrated with {count} images: enough to try, not to ship; "
        "--calibrate FOLDER takes a hundred of yours"
    )


def _left_out(broken: Sequence[str], total: int) -> str:
    return f"{len(broken)} of {total} images cannot be read, left out: {name_some(broken)}"


def _from_inputs(
    data: str, inputs: Array, spec: TensorSpec, count: int, fresh: int
) -> CalibrationSamples:
    if inputs.shape[1:] != spec.shape[1:]:
        raise DataUnreadable(f"{data} holds {inputs.shape}, the network reads {spec}")
    chosen, others = draw(len(inputs), count), draw(len(inputs), fresh, after=count)
    return CalibrationSamples(
        data,
        spool_inputs(inputs, chosen, spec),
        (_few(len(chosen)),) if len(chosen) < FEW else (),
        measured=Range(float(inputs[chosen].min()), float(inputs[chosen].max())),
        fresh=spool_inputs(inputs, others, spec) if len(others) >= (spec.shape[0] or 1) else None,
    )


def _from_items(
    items: Items, spec: TensorSpec, prepare: Preprocess | None, count: int, fresh: int
) -> CalibrationSamples:
    spooled = spool_items(items, spec, prepare, count, fresh)
    own = len(spooled.samples) * (spec.shape[0] or 1)
    notes = [_left_out(spooled.broken, own + len(spooled.broken))] if spooled.broken else []
    if own < FEW:
        notes.append(_few(own))
    if spooled.measured is not None and prepare is not None:
        notes += unlike_preprocessing(spooled.measured, prepare)
    return CalibrationSamples(
        spooled.name,
        spooled.samples,
        tuple(notes),
        measured=spooled.measured,
        fresh=spooled.fresh,
    )


def _from_images(data: str, source: ImageSamples, count: int, fresh: int) -> CalibrationSamples:
    total = len(source.images)
    chosen, others = draw(total, count), draw(total, fresh, after=count)
    spool = source.spool(chosen)
    notes = []
    broken = list(source.broken)
    if broken:
        notes.append(_left_out(broken, len(chosen)))
    if len(chosen) - len(broken) < FEW:
        notes.append(_few(len(chosen) - len(broken)))
    return CalibrationSamples(data, spool, tuple(notes), fresh=spool_some(source, others))
