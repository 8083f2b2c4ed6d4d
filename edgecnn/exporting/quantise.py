"""Options of ``--quantize`` to the compiler's quantisation request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgecnn.data.iterables import Items
from edgecnn.errors import ModelUnusable
from edgecnn.evaluate.spooled import spool_examples
from edgecnn.exporting.accuracy import IMAGES, AccuracyJudge
from edgecnn.exporting.calibration import (
    BATCH_NORM,
    CalibrationData,
    data_name,
    is_private,
    likely_data,
    open_calibration,
)
from edgecnn_exporters.bundle.requests import QuantiseRequest, Request
from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_runtime.parity.proportion import samples_to_show
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edgecnn_exporters.quantise.trained import TrainedNumbers

COUNT = 128
# Samples beside those, which measure the result …
FRESH = 32
# … and where a limit is stated, this many times as many as would show it if all of them agreed:
# with four times it can be shown where half as many disagree as it allows.
ROOM = 4


@dataclass(frozen=True)
class QuantiseOptions:
    """Options of the 8-bit artefact.

    Attributes:
        data: as `open_calibration` takes it; None takes what the network was trained on, or the
            photographs that come with edgecnn.
        count: samples at most.
        judge: labelled images to measure the accuracy on, as `edgecnn evaluate --data` takes them,
            or an iterable of them.
        max_drop: points of top-1 that may be lost on them.
        allow_weak: an int8 artefact that loses more than it should is written all the same.
    """

    config: QuantConfig = field(default_factory=QuantConfig)
    data: CalibrationData | None = None
    count: int = COUNT
    judge: str | Items | None = None
    max_drop: float | None = None
    allow_weak: bool = False


@contextlib.contextmanager
def quantised(
    request: Request,
    options: QuantiseOptions | None,
    trained_on: str | None,
    *,
    quiet: bool,
    trained: TrainedNumbers | None = None,
) -> Iterator[tuple[Request, tuple[str, ...]]]:
    """The request with calibration samples where 8 bits are asked for, and notes for the user.

    Args:
        trained: numbers of a training in 8 bits; the samples then only judge.

    Raises:
        DataUnreadable, CalibrationFailed: as `open_calibration` says.
        ModelUnusable: a limit that nothing can be measured on, or an option that scales from
            training leave nothing to do for.
    """
    if options is None:
        yield request, _unused(trained)
        return
    if trained is not None:
        options = _for_trained(options, trained)
    data = likely_data(trained_on) if options.data is None else options.data
    fresh = fresh_samples(options.config.min_agreement)
    with contextlib.ExitStack() as exits:
        calibration = exits.enter_context(
            open_calibration(
                data, request.input, request.preprocess, options.count, fresh, quiet=quiet
            )
        )
        judge = exits.enter_context(_judge(options, request.input, trained_on, quiet=quiet))
        wanted = QuantiseRequest(
            options.config,
            calibration.samples,
            data_name(data),
            judge,
            calibration.inputs,
            options.allow_weak,
            is_limited=options.config.min_agreement is not None or options.max_drop is not None,
            is_private=is_private(data),
            fresh=calibration.fresh or (),
            trained=trained,
        )
        with _notes_in_errors(calibration.notes):
            yield (
                replace(request, quantise=wanted, input_range=calibration.measured),
                calibration.notes,
            )


@contextlib.contextmanager
def _notes_in_errors(notes: tuple[str, ...]) -> Iterator[None]:
    """A missed limit says what was noted of the samples, which may be its cause."""
    try:
        yield
    except LimitMissed as error:
        if not notes:
            raise
        raise type(error)(f"{error}. Of the samples: {'; '.join(notes)}") from error


def _unused(trained: TrainedNumbers | None) -> tuple[str, ...]:
    if trained is None:
        return ()
    return ("the checkpoint is trained in 8 bits; --quantize int8 exports it with those scales",)


def _for_trained(options: QuantiseOptions, trained: TrainedNumbers) -> QuantiseOptions:
    """The options for scales from training; those that would make other scales are refused."""
    config = options.config
    contradictions = {
        "--calibrate batch-norm": isinstance(options.data, str) and options.data == BATCH_NORM,
        f"--observer {config.observer}": config.observer is not None,
        f"--recipe {config.recipe}": config.recipe != QuantConfig().recipe,
        "--per-tensor": not config.per_channel,
        f"--weight-bits {config.weight_bits}": config.weight_bits
        not in (QuantConfig().weight_bits, trained.weight_bits),
    }
    if named := [option for option, is_given in contradictions.items() if is_given]:
        raise ModelUnusable(
            f"{', '.join(named)}: the checkpoint is trained in 8 bits, and its scales come from "
            "there; leave the option out, or export the float checkpoint that it began with"
        )
    return replace(options, config=replace(config, weight_bits=trained.weight_bits))


def fresh_samples(limit: float | None) -> int:
    """How many samples beside those that calibrate are drawn, at most."""
    needed = 0 if limit is None else samples_to_show(limit) or 0
    return max(FRESH, ROOM * needed)


@contextlib.contextmanager
def _judge(
    options: QuantiseOptions, spec: TensorSpec, trained_on: str | None, *, quiet: bool
) -> Iterator[AccuracyJudge | None]:
    """The accuracy check: on the data given, or else on the test images of the training."""
    data = options.judge
    if data is not None and not isinstance(data, str):
        with spool_examples(data, spec, IMAGES) as spooled:
            yield AccuracyJudge(spooled, options.max_drop, quiet=quiet)
        return
    if data is None and options.max_drop is not None:
        data = likely_data(trained_on)
        if data != trained_on:
            raise ModelUnusable("--max-drop needs labelled images: --data NAME or FOLDER")
    yield None if data is None else AccuracyJudge(data, options.max_drop, quiet=quiet)
