"""`edgecnn.export`: a network to a verified bundle, as ``edgecnn export`` does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgecnn.api.arguments import (
    PathText,
    check_flags,
    items_or_text,
    names_of,
    option_value,
    optional_path,
    path_of,
    text_of_path,
    usage_as_arguments,
)
from edgecnn.api.bundle import Bundle
from edgecnn.api.call_text import call_text
from edgecnn.api.model_argument import input_shape, model_source
from edgecnn.api.notes import log_notes
from edgecnn.errors import ArgumentInvalid
from edgecnn.zoo import Form

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgecnn.commands.target_options import TargetChoice
    from edgecnn.exporting.learn import LearnOptions
    from edgecnn.exporting.plan import ExportOptions
    from edgecnn.exporting.quantise import QuantiseOptions
    from edgecnn_runtime.arrays import Array
    from edgecnn_runtime.manifest import Preprocess
    from edgecnn_runtime.training import Loss, Normalisation, Optimiser

FORM = ("classes", "width", "depth", "stem", "phi")
FLAGS = ("per_tensor", "allow_weak", "measure", "fp16", "force", "progress")

# PyTorch's exporter and compiler keep state of the whole process: threads take turns.
_TURN = threading.RLock()


def export(
    model: nn.Module | PathText,
    input: Array | Tensor | Sequence[int] | str | None = None,
    output: PathText | None = None,
    *,
    name: str | None = None,
    weights: PathText | None = None,
    batch: int | Literal["dynamic"] = "dynamic",
    preprocess: PathText | Mapping[str, Any] | Preprocess | None = None,
    labels: PathText | Sequence[str] | None = None,
    golden: PathText | Iterable[Any] | None = None,
    classes: int | None = None,
    width: float | None = None,
    depth: float | None = None,
    stem: str | None = None,
    phi: float | None = None,
    quantize: Literal["int8"] | None = None,
    calibrate: PathText | Iterable[Any] | None = None,
    samples: int = 128,
    recipe: Literal["fast", "balanced", "best"] = "balanced",
    observer: str | None = None,
    per_tensor: bool = False,
    weight_bits: Literal[7, 8] = 8,
    min_agreement: float | None = None,
    max_drop: float | None = None,
    allow_weak: bool = False,
    data: PathText | Iterable[Any] | None = None,
    memory_limit: int | None = None,
    measure: bool = True,
    learn: str | Sequence[str] | None = None,
    loss: Loss | None = None,
    optimiser: Optimiser | None = None,
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    learn_norm: Normalisation | None = None,
    label_smoothing: float | None = None,
    learn_memory: float | None = None,
    learn_batch: int | None = None,
    targets: str | Sequence[str] = (),
    fp16: bool = False,
    tflite_io: Literal["float32", "int8", "uint8"] = "float32",
    max_transposes: int | None = None,
    native_io: Literal["float32", "uint8"] = "float32",
    opset: int = 18,
    force: bool = False,
    progress: bool = False,
) -> Bundle:
    """Export a network to a bundle: captured, optimised, proven equal, quantised, packed.

    The parameters are the options of ``edgecnn export``, by their names; docs/api.md has the table.

    Args:
        model: a module, which stays as it is; a name of the zoo; a checkpoint; an ``.onnx`` file;
            ``package.module:factory``.
        input: an example (N, C, H, W), or a shape with or without N; None where the network or its
            file says it.
        output: file to write; None is NAME.edge in the working folder.
        name: of a module's bundle; by default its class's.
        preprocess: imagenet, unit, signed, mnist, none, a .json file, or its content.
        labels: class names in order, or a file with one a line.
        calibrate: samples for the 8-bit scales: a loader, a data set, an array, any iterable of
            images or inputs; or a name or folder as on the command line.
        data: labelled images that measure both accuracies: pairs, or a name or folder.
        learn: head, last:N, all, or names of parameters, which a device may then learn.
        force: replace a bundle that holds more, or is of another network.
        progress: show the stages on stderr.

    Returns:
        The bundle; its `exported` is the result that the command prints.

    Raises:
        ArgumentInvalid: an argument of another type, or out of its range.
        EdgeCNNError: the export is refused or fails; docs/api.md lists the classes.
    """
    given = locals()
    check_flags(**{name: given[name] for name in FLAGS})
    from edgecnn.exporting.plan import plan
    from edgecnn.results.export import export_network

    planned = plan(_options(given))
    with _TURN:
        result = export_network(planned, is_measured=measure, quiet=not progress)
    log_notes((*result.notes, *result.exported.warnings))
    return Bundle(result.exported.path, result)


def _options(given: Mapping[str, Any]) -> ExportOptions:
    """The options of the export, each checked as the command line checks it."""
    from edgecnn.commands.export import command
    from edgecnn.exporting.plan import ExportOptions

    quantise = _quantise(given)
    choice = _target_choice(given)
    with usage_as_arguments():
        targets = choice.targets(is_quantised=quantise is not None)
    form = {each: option_value(command, each, given[each]) for each in FORM}
    return ExportOptions(
        model=model_source(given["model"], given["name"]),
        output=optional_path(given["output"], "output"),
        weights=text_of_path(given["weights"], "weights"),
        shape=input_shape(given["input"]),
        batch=option_value(command, "batch", given["batch"]),
        preprocess=_preprocess(given["preprocess"]),
        labels=_labels(given["labels"]),
        form=Form(**form),
        opset=option_value(command, "opset", given["opset"]),
        quiet=not given["progress"],
        quantise=quantise,
        targets=targets,
        half=given["fp16"],
        command=call_text(export, given),
        golden=items_or_text(given["golden"], "golden"),
        compiled=choice.compiled,
        force=given["force"],
        learn=_learn(given),
        optional=choice.optional,
    )


def _quantise(given: Mapping[str, Any]) -> QuantiseOptions | None:
    from edgecnn.commands.export import command
    from edgecnn.commands.quantise_options import Quantising

    def value(name: str) -> Any:
        return option_value(command, name, given[name])

    quantising = Quantising(
        precision=value("quantize"),
        calibrate=items_or_text(given["calibrate"], "calibrate"),
        samples=value("samples"),
        recipe=value("recipe"),
        observer=value("observer"),
        per_tensor=given["per_tensor"],
        weight_bits=value("weight_bits"),
        min_agreement=value("min_agreement"),
        max_drop=value("max_drop"),
        allow_weak=given["allow_weak"],
        data=items_or_text(given["data"], "data"),
        memory_limit=value("memory_limit"),
        report=None,
        is_measured=given["measure"],
    )
    with usage_as_arguments():
        return quantising.options()


def _learn(given: Mapping[str, Any]) -> LearnOptions | None:
    from edgecnn.commands.export import command
    from edgecnn.commands.learn_options import Learning

    learn = given["learn"]
    if learn is not None:
        given = {**given, "learn": ",".join(map(str, names_of(learn, "learn")))}
    values = {e.name: option_value(command, e.name, given[e.name]) for e in fields(Learning)}
    with usage_as_arguments():
        return Learning(**values).options()


def _target_choice(given: Mapping[str, Any]) -> TargetChoice:
    """The formats with their options, and the names of compile targets."""
    from edgecnn.commands.export import command
    from edgecnn.commands.target_options import target_choice

    names = names_of(given["targets"], "targets")
    values = {
        "formats": tuple(option_value(command, "targets", each) for each in names),
        "fp16": given["fp16"],
        "tflite_io": option_value(command, "tflite_io", given["tflite_io"]),
        "max_transposes": option_value(command, "max_transposes", given["max_transposes"]),
        "native_io": option_value(command, "native_io", given["native_io"]),
    }
    with usage_as_arguments():
        return target_choice(values)


def _preprocess(given: object) -> str | Preprocess | None:
    from edgecnn.errors import PreprocessUnknown
    from edgecnn_runtime.bundle.preprocess_json import preprocess_from_json
    from edgecnn_runtime.errors import ManifestInvalid
    from edgecnn_runtime.manifest import Preprocess

    if given is None or isinstance(given, Preprocess):
        return given
    if isinstance(given, Mapping):
        lists = {key: list(v) if isinstance(v, tuple) else v for key, v in given.items()}
        try:
            return preprocess_from_json(lists, "preprocess")
        except ManifestInvalid as error:
            raise PreprocessUnknown(str(error)) from error
    if isinstance(given, str | os.PathLike):
        return text_of_path(given, "preprocess")
    raise ArgumentInvalid(
        f"preprocess is a {type(given).__name__}, expected imagenet, unit, signed, mnist, none, a "
        ".json file, or a mapping of its content"
    )


def _labels(given: object) -> Path | tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str | os.PathLike):
        return path_of(given, "labels")
    # The order of a mapping's keys or of a set is not that of the outputs.
    is_unordered = isinstance(given, Mapping | Set)
    labels = tuple(given) if isinstance(given, Iterable) and not is_unordered else (None,)
    if all(isinstance(each, str) for each in labels):
        return tuple(map(str, labels))
    raise ArgumentInvalid(
        f"labels is a {type(given).__name__}, expected a list of names in the order of "
        "the outputs, or a file with one a line"
    )
