"""The export pipeline: a network in, a verified bundle out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_exporters.bundle.contents import check_labels
from edgecnn_exporters.bundle.examples import Examples
from edgecnn_exporters.bundle.packing import Packing, choose_mixture
from edgecnn_exporters.bundle.provenance import provenance_of
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.bundle.telling import little_proven
from edgecnn_exporters.capture.finite import non_finite_weights, refuse_non_finite
from edgecnn_exporters.capture.norm_statistics import NormStatistics, norm_statistics, note_moments
from edgecnn_exporters.capture.onnx_source import OnnxSource
from edgecnn_exporters.capture.prepare import prepare
from edgecnn_exporters.capture.reference import (
    Reference,
    check_outputs,
    compare_model,
    references,
    run_model,
    run_module,
    to_bytes,
)
from edgecnn_exporters.capture.repeatable import check_repeatable
from edgecnn_exporters.capture.torch_export import Attempt, Captured, capture
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_exporters.exported import Exported
from edgecnn_exporters.targets import Translated
from edgecnn_runtime.bundle.write import write_contents
from edgecnn_runtime.parity.tolerances import is_within
from edgecnn_runtime.progress import Announce

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

    from edgecnn_exporters.quantise.ladder import Quantised


def export_module(
    module: torch.nn.Module, request: Request, output: Path, progress: Announce
) -> Exported:
    """Capture a PyTorch network, optimise and verify it, and write the bundle.

    Args:
        module: is not changed; a copy of it is exported, as `prepare` says.
        progress: gets the name of each of `STAGES` as it begins.

    Raises:
        NonFiniteWeights: a weight is NaN or infinite.
        CaptureFailed: the network does not agree with itself, no exporter agrees with it, its
            outputs are not finite, or not as many as the labels.
        UnsupportedModel: its weights have no values, or the graph cannot be brought into canonical
            form.
        LimitMissed: the quantised network is further from the float one than was allowed, or an
            artefact holds more TRANSPOSE operators.
        ScalesMismatch: scales from training are of another graph.
        TargetDiffers: the outputs of an artefact in another format differ from the original's.
        TargetInvalid: an artefact is not what its target declares.
        OutputNotWritable: the bundle cannot be written.
    """
    prepared = prepare(module)
    module = prepared.module
    refuse_non_finite(non_finite_weights(module))
    progress("run the original")
    feeds = request.feeds()
    golden = request.golden_feeds()
    check_repeatable(module, golden[0], golden[-1])
    reference = run_module(module, feeds, golden)
    check_outputs(reference)
    check_labels(request, reference.batches[0][1])
    progress("capture")
    captured = _capture(module, reference, request)
    norms: tuple[NormStatistics, ...] = ()
    if request.quantise is not None and request.quantise.inputs is not None:
        norms = norm_statistics(module, reference.batches[0][0])
    read = _Read(captured.model, captured.attempts, reference, norms, prepared.notes)
    return _finish(read, request, output, progress)


def _capture(module: torch.nn.Module, reference: Reference, request: Request) -> Captured:
    """The captured graph; where something is learnt, one that keeps every parameter.

    Where none does, what is learnt with frozen statistics is learnt of the ordinary one.
    """
    batch, learn = request.input.shape[0], request.learn
    if learn is not None:
        try:
            return capture(
                module, reference, batch=batch, opset=request.opset, keeps_parameters=True
            )
        except CaptureFailed:
            if learn.normalisation == "batch":
                raise
    return capture(module, reference, batch=batch, opset=request.opset)


def export_onnx(source: OnnxSource, request: Request, output: Path, progress: Announce) -> Exported:
    """Optimise an ONNX model (changed in place), verify it against the original, write the bundle.

    Raises:
        NonFiniteWeights, UnsupportedModel, OutputNotWritable: as `export_module`.
    """
    from edgecnn_exporters.passes import find_non_finite

    refuse_non_finite(find_non_finite(source.model))
    progress("run the original")
    feeds = request.feeds()
    reference = run_model(source.original, feeds, request.golden_feeds())
    check_outputs(reference)
    check_labels(request, reference.batches[0][1])
    attempts = (Attempt("onnx file", "its own answers are the reference"),)
    return _finish(_Read(source.model, attempts, reference), request, output, progress)


@dataclass(frozen=True)
class _Read:
    """A network as it was read, with its reference outputs.

    Attributes:
        norms: statistics of its batch normalisations, where the model no longer has them.
        notes: what was changed of it before it was read.
    """

    model: ir.Model
    attempts: tuple[Attempt, ...]
    reference: Reference
    norms: tuple[NormStatistics, ...] = ()
    notes: tuple[str, ...] = ()


def _finish(read: _Read, request: Request, output: Path, progress: Announce) -> Exported:
    from edgecnn_exporters.capture.output_groups import output_groups
    from edgecnn_exporters.learn.artefact import check_learnable, learnt_nodes, unfolded_form
    from edgecnn_exporters.passes import canonicalise

    model, reference = read.model, read.reference
    progress("optimise")
    unfolded = unfolded_form(model, request.learn)
    report = canonicalise(model)
    passes = report.changed
    if request.learn is not None:
        check_learnable(model, unfolded, request.learn)
    note_moments(model, read.norms)
    progress("verify")
    content = to_bytes(model)
    groups = output_groups(model, references(reference.batches))
    difference = compare_model(content, reference, groups)
    if not is_within(difference, "fp32"):
        raise CaptureFailed(
            "the optimised graph differs from the original by "
            f"{difference.relative:.1e} of its output; "
            f"passes applied: {', '.join(passes)}. This is a defect of edgecnn: please report it"
        )
    fixed = learnt_nodes(model, unfolded, request.learn)
    quantised = _quantise(model, request, fixed, progress)
    provenance = provenance_of(request, reference, read.attempts, passes, difference)
    examples = _examples(model, reference, request, quantised)
    packing = Packing(model, content, request, examples, provenance)
    contents = packing.contents(quantised)
    if quantised is not None and request.quantise is not None and request.quantise.judge:
        progress("judge")
        judge = request.quantise.judge
        quantised, contents = choose_mixture(judge, packing, quantised, progress)
    translated: tuple[Translated, ...] = ()
    left_out: tuple[str, ...] = ()
    if request.targets:
        progress("translate")
        translated, left_out = packing.translate(quantised, contents.manifest, progress)
        judged = contents.manifest.provenance
        contents = packing.contents(quantised, translated)
        provenance = judged | contents.manifest.provenance
        manifest = replace(contents.manifest, provenance=provenance)
        contents = replace(contents, manifest=manifest)
    learning: tuple[str, ...] = ()
    if request.learn is not None:
        progress("learn")
        contents, learning = packing.with_training(contents, quantised, unfolded)
    progress("package")
    manifest = write_contents(output, contents)
    return Exported(
        path=output,
        size_bytes=output.stat().st_size,
        manifest=manifest,
        attempts=read.attempts,
        difference=difference,
        passes=passes,
        operators=Counter(node.op_type for node in model.graph),
        quantised=quantised,
        translated=translated,
        warnings=tuple(little_proven(examples.judged, examples.groups)),
        left_alone=(*report.left_alone, *(quantised.left_alone if quantised else ())),
        notes=(*read.notes, *left_out, *learning),
    )


def _examples(
    model: ir.Model, reference: Reference, request: Request, quantised: Quantised | None
) -> Examples:
    """What every artefact must answer."""
    from edgecnn_exporters.capture.output_groups import output_groups

    held_out = [] if quantised is None else quantised.judges()
    groups = output_groups(model, references([*reference.batches, *held_out]))
    are_private = request.quantise is not None and request.quantise.is_private
    return Examples(reference.golden, held_out, groups, are_private)


def _quantise(
    model: ir.Model, request: Request, fixed: Collection[str], progress: Announce
) -> Quantised | None:
    if request.quantise is None:
        return None
    from edgecnn_exporters.quantise.ladder import quantise
    from edgecnn_exporters.quantise.trained import quantise_trained

    progress("quantise")
    wanted = request.quantise
    if wanted.trained is not None:
        return quantise_trained(
            model, wanted.samples, wanted.trained, wanted.config, fresh=wanted.fresh
        )
    return quantise(
        model,
        wanted.samples,
        wanted.config,
        lambda step: lambda done: progress(f"quantise: {step}, {done:.0%}"),
        inputs=wanted.inputs,
        fresh=wanted.fresh,
        fixed=fixed,
    )
