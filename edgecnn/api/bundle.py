"""Bundle of the Python API: what the command line does with a bundle, as methods."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.api.arguments import (
    Names,
    PathText,
    Size,
    budget_of,
    check_flags,
    items_or_text,
    names_of,
    option_names,
    option_value,
    optional_name,
    optional_path,
    path_of,
    text_of_path,
    usage_as_arguments,
)
from edgecnn.api.learning import LearningBundle
from edgecnn.errors import ArgumentInvalid, OptionsRefused

if TYPE_CHECKING:
    from edgecnn.results.bench import EmulatedResult, LatencyResult
    from edgecnn.results.bench_profile import ProfilingResult
    from edgecnn.results.compile import CompilationResult
    from edgecnn.results.evaluate import EvaluateResult
    from edgecnn.results.verify import VerifyResult


@dataclass(frozen=True)
class Bundle(LearningBundle):
    """A bundle on disk. Nothing of it stays open; `print` shows what ``edgecnn bundle show`` shows.

    Each method is the command of its name, its parameters are the command's options, and its result
    prints the command's table. docs/api.md is the reference.

    Attributes:
        exported: result of the export that wrote it; None where it was opened.
    """

    def verify(
        self,
        engines: Names = "all",
        *,
        against: PathText | Bundle | None = None,
        data: PathText | Iterable[Any] | None = None,
        limit: int = 256,
        diagnose: bool = True,
        reproduce: PathText | None = None,
        compiled: bool = True,
        max_memory: Size | None = None,
        max_seconds: float | None = None,
        progress: bool = False,
    ) -> VerifyResult:
        """Check every digest, and compare the answers on every engine here: ``edgecnn verify``.

        Args:
            against: another bundle, an ``.onnx`` or a ``.tflite`` file, compared in place of the
                bundle's own artefacts.
            data: images or inputs to compare every artefact with the float graph on: a name or
                folder, or any iterable of them; labels are not looked at.

        Raises:
            BundleError, EngineError: it cannot be trusted, or an engine is not known.
            OptionsRefused: `against` goes with `engines` alone.
        """
        from edgecnn.api.notes import log_notes
        from edgecnn.commands.verify import command
        from edgecnn.results.verifying import VerifyOptions, verify_bundle

        check_flags(diagnose=diagnose, compiled=compiled, progress=progress)
        other = _bundle_path(against)
        if other is not None and (data is not None or reproduce is not None):
            raise OptionsRefused("against goes with engines alone: leave data and reproduce out")
        options = VerifyOptions(
            option_names(command, "engines", engines),
            diagnose,
            optional_path(reproduce, "reproduce"),
            compiled,
            items_or_text(data, "data"),
            option_value(command, "limit", limit),
            budget_of(command, max_memory, max_seconds),
            None if other is None else Path(other),
        )
        result = verify_bundle(str(self.path), options, quiet=not progress)
        log_notes(result.complaints)
        return result

    def evaluate(
        self,
        data: PathText | Iterable[Any],
        *,
        against: PathText | Bundle | None = None,
        classes: PathText | None = None,
        limit: int | None = None,
        processes: int | None = None,
        strict: bool = False,
        engine: str | None = None,
        precision: str | None = None,
        max_memory: Size | None = None,
        max_seconds: float | None = None,
        progress: bool = False,
    ) -> EvaluateResult:
        """Classify labelled images with every artefact, as an app would: ``edgecnn evaluate``.

        Args:
            data: name or folder, or an iterable of (image, label) pairs or batches.

        Raises:
            NotAClassifier, DataUnreadable: it has no scores of classes, or the data do not fit.
        """
        from edgecnn.api.notes import log_notes
        from edgecnn.commands.evaluate import command
        from edgecnn.results.evaluate import EvaluateOptions, evaluate_bundle

        check_flags(strict=strict, progress=progress)
        options = EvaluateOptions(
            _bundle_path(against),
            optional_path(classes, "classes"),
            option_value(command, "limit", limit),
            option_value(command, "processes", processes),
            strict,
            optional_name(engine, "engine"),
            optional_name(precision, "precision"),
            budget_of(command, max_memory, max_seconds),
        )
        given = items_or_text(data, "data")
        result = evaluate_bundle(str(self.path), given, options, quiet=not progress)
        log_notes([*result.notes, *([result.broken_words()] if result.broken else [])])
        return result

    def bench(
        self,
        device: Names = "host",
        *,
        against: PathText | Bundle | None = None,
        engines: Names = (),
        precisions: Names = (),
        threads: int | Sequence[int] = (),
        rounds: int = 60,
        cold_starts: int = 3,
        sustained: str | float | None = None,
        output: PathText | None = None,
        resume: bool = False,
        compare: PathText | None = None,
        wait: str | float = "10m",
        learn: bool = False,
        batch: int | None = None,
        profile: bool = False,
        record: bool = False,
        max_memory: Size | None = None,
        max_seconds: float | None = None,
        progress: bool = False,
    ) -> LatencyResult | EmulatedResult | ProfilingResult:
        """Measure every artefact on every engine of a device, or of several: ``edgecnn bench``.

        Returns:
            Latencies; of emulated boards answers and instruction counts; with `profile` the times
            of operators.

        Raises:
            OptionsRefused, BenchRefused, UnknownDevice: this does not go with the device.
        """
        from edgecnn.api.notes import log_notes
        from edgecnn.commands.bench import command
        from edgecnn.results.bench import LatencyResult
        from edgecnn.results.benching import BenchOptions, bench_bundle

        check_flags(resume=resume, learn=learn, profile=profile, record=record, progress=progress)
        if batch is not None and not learn:
            raise OptionsRefused("batch is for learn=True; an inference is timed at batch 1")
        baseline = _bundle_path(against)
        devices = option_names(command, "device", device)
        if not devices:
            raise ArgumentInvalid("device names none, expected host, or what edgecnn devices lists")
        options = BenchOptions(
            devices,
            None if baseline is None else Path(baseline),
            option_names(command, "engines", engines),
            option_names(command, "precisions", precisions),
            option_names(command, "threads", threads),
            option_value(command, "rounds", rounds),
            option_value(command, "cold_starts", cold_starts),
            option_value(command, "sustained", sustained),
            optional_path(output, "output"),
            resume,
            optional_path(compare, "compare"),
            option_value(command, "wait", wait),
            budget_of(command, max_memory, max_seconds),
            learns=learn,
            batch=option_value(command, "batch", batch),
            profiles=profile,
            is_recorded=record,
        )
        result = bench_bundle(str(self.path), options, quiet=not progress)
        if isinstance(result, LatencyResult):
            log_notes(result.failures)
        return result

    def compile(
        self,
        targets: Names,
        output: PathText | None = None,
        *,
        allow_cpu: bool = False,
        allow_weak: bool = False,
        accept_licence: Names = (),
        force: bool = False,
        progress: bool = False,
    ) -> CompilationResult:
        """Compile for NPUs, microcontrollers or the browser: ``edgecnn compile --for``.

        Args:
            output: bundle or folder to write; None adds to this bundle.
            force: replace an output that holds more, or is of another network.

        Raises:
            OverwriteRefused: it holds more, or is of another network.
            CompileRefused, CompilerMissing, LicenceNotAccepted: the targets do not allow it.
        """
        from edgecnn.api.notes import log_notes
        from edgecnn.commands.compile import accepted_licences, command
        from edgecnn.compile.plan import plan
        from edgecnn.results.compile import compile_planned

        check_flags(allow_cpu=allow_cpu, allow_weak=allow_weak, force=force, progress=progress)
        profiles = option_names(command, "targets", targets, flag="--for")
        if not profiles:
            raise ArgumentInvalid("targets names no target; edgecnn compile --list shows them all")
        with usage_as_arguments():
            names = map(str, names_of(accept_licence, "accept_licence"))
            licences = accepted_licences(tuple(names))
        result = compile_planned(
            plan(self.path, profiles, optional_path(output, "output"), force=force),
            allow_cpu=allow_cpu,
            allow_weak=allow_weak,
            licences=licences,
            quiet=not progress,
        )
        log_notes(result.notes)
        return result


def _bundle_path(given: PathText | Bundle | None) -> str | None:
    return str(given.path) if isinstance(given, Bundle) else text_of_path(given, "against")


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """A bundle by its path.

    Raises:
        ArgumentInvalid: it is no path.
        BundleError: the file is missing, no bundle, or damaged.
    """
    bundle = Bundle(path_of(path, "path"))
    _ = bundle.manifest
    return bundle
