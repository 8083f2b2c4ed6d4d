"""Execution of an export plan: MODEL to a request, and the request to a bundle."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.exporting.labels import labels_of
from edgecnn.exporting.learn import training_request
from edgecnn.exporting.plan import ExportOptions, ExportPlan
from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.preprocessing import at_resolution, choose_preprocess
from edgecnn.model.resolve import Factory, LiveModule, OnnxFile, TorchSource, ZooNetwork
from edgecnn.model.weights import RANDOM
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.progress import Announce
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edgecnn_exporters.bundle.requests import Request
    from edgecnn_exporters.capture.examples import GivenExamples
    from edgecnn_exporters.exported import Exported

LOAD = "load the network"
NO_IMAGE = (
    "its input is no image, so it is compared on seeded noise: --golden FILE.npz takes inputs of "
    "yours"
)
SETTLED = (
    "its batch normalisations are set from photographs, so that its outputs are alive; what 8 bits "
    "cost random weights says nothing of trained ones"
)


def run(planned: ExportPlan, progress: Announce) -> tuple[Exported, tuple[str, ...]]:
    """Carry out a plan. Returns the bundle, and notes for the user.

    Raises:
        EdgeCNNError: as `build_network`, `export_module` and `export_onnx` say.
    """
    progress(LOAD)
    if planned.options.compiled:
        return _run_compiled(planned, progress)
    source = planned.options.model
    if isinstance(source, OnnxFile):
        exported, notes = _run_onnx(planned, source, progress)
    else:
        exported, notes = _run_network(planned, source, progress)
    return exported, (*planned.notes, *notes)


def _run_compiled(planned: ExportPlan, progress: Announce) -> tuple[Exported, tuple[str, ...]]:
    """Export to a scratch folder and compile from there: a bundle with all targets, or none."""
    from edgecnn.compile.run import log_file
    from edgecnn_exporters.compile.pipeline import CompileRequest, compile_bundle
    from edgecnn_exporters.scratch import scratch_folder
    from edgecnn_exporters.targets.profile import target_profile

    profiles = tuple(map(target_profile, planned.options.compiled))
    with scratch_folder() as folder:
        first = folder / planned.output.name
        plain = replace(planned.options, compiled=())
        exported, notes = run(replace(planned, options=plain, output=first), progress)
        quantise = planned.options.quantise
        request = CompileRequest(
            first,
            profiles,
            planned.output,
            log_file(planned.output),
            allow_weak=quantise is not None and quantise.allow_weak,
        )
        result = compile_bundle(request, lambda step: progress(f"package: {step}"))
    assert result.manifest is not None
    size = planned.output.stat().st_size
    own = (f"{t.profile.name}: {line}" for t in result.targets for line in t.compiled.notes)
    compiled = replace(exported, path=planned.output, size_bytes=size, manifest=result.manifest)
    return compiled, (*notes, *result.notes, *own)


def _run_network(
    planned: ExportPlan, source: TorchSource, progress: Announce
) -> tuple[Exported, tuple[str, ...]]:
    from edgecnn.exporting.quantise import quantised
    from edgecnn.model.settle import settle
    from edgecnn_exporters.bundle.requests import Request
    from edgecnn_exporters.export import export_module
    from edgecnn_runtime.bundle.text import encodable

    options = planned.options
    network = build_network(
        source,
        NetworkOptions(options.weights, options.shape, options.form, options.quiet),
    )
    own = network.preprocess and at_resolution(network.preprocess, *network.shape[1:])
    preprocess, notes = _preprocess(options, network.shape, own)
    if isinstance(source, ZooNetwork) and network.source.get("weights") == RANDOM:
        settle(network.module, network.shape, preprocess)
        notes = (*notes, SETTLED)
    spec = TensorSpec("input", "float32", (options.batch, *network.shape))
    request = Request(
        name=encodable(network.name),
        input=spec,
        preprocess=preprocess,
        labels=labels_of(options.labels) or network.labels,
        opset=options.opset,
        source=network.source,
        command=options.command,
        targets=options.targets,
        optional=options.optional,
        half=options.half,
        is_zoo=not isinstance(source, Factory | LiveModule),
        golden=_golden(options, spec, preprocess),
        learn=training_request(options.learn, spec.shape[0]),
    )
    with quantised(
        request, options.quantise, network.data, quiet=options.quiet, trained=network.trained
    ) as (request, more):
        exported = export_module(network.module, request, planned.output, progress)
    more = (*more, *_on_noise(request), *_without_labels(options, exported))
    return exported, (*network.notes, *exported.notes, *notes, *more)


def _run_onnx(
    planned: ExportPlan, source: OnnxFile, progress: Announce
) -> tuple[Exported, tuple[str, ...]]:
    from edgecnn.exporting.quantise import quantised
    from edgecnn_exporters.bundle.requests import Request
    from edgecnn_exporters.capture.examples import layout_of, spatial
    from edgecnn_exporters.capture.onnx_source import image_input, read_onnx
    from edgecnn_exporters.export import export_onnx
    from edgecnn_runtime.bundle.text import encodable

    options = planned.options
    source_model = read_onnx(source.path)
    spec = image_input(source_model.model, source.path.name, options.shape, options.batch)
    preprocess, notes = _preprocess(options, spatial(spec), None)
    if preprocess is not None:
        preprocess = replace(preprocess, layout=layout_of(spec))
    request = Request(
        name=encodable(planned.name),
        input=spec,
        preprocess=preprocess,
        labels=labels_of(options.labels),
        opset=options.opset,
        source={
            "onnx": source.path.name,
            "onnx_sha256": hashlib.sha256(source_model.original).hexdigest(),
        },
        command=options.command,
        targets=options.targets,
        optional=options.optional,
        half=options.half,
        golden=_golden(options, spec, preprocess),
        learn=training_request(options.learn, spec.shape[0]),
    )
    with quantised(request, options.quantise, None, quiet=options.quiet) as (request, more):
        exported = export_onnx(source_model, request, planned.output, progress)
    more = (*exported.notes, *more, *_on_noise(request), *_without_labels(options, exported))
    return exported, (*notes, *more)


def _preprocess(
    options: ExportOptions, shape: tuple[int, int, int], own: Preprocess | None
) -> tuple[Preprocess | None, tuple[str, ...]]:
    """Preprocessing as given, or the network's own, or the likeliest with a note."""
    if options.preprocess is not None:
        return choose_preprocess(options.preprocess, shape), ()
    if own is not None:
        return own, ()
    likely = {1: "unit", 3: "imagenet"}.get(shape[0], "none")
    return choose_preprocess(likely, shape), (
        f"preprocessing {likely!r} is assumed; a wrong one costs accuracy without an error: "
        "give --preprocess imagenet, unit, signed, none or FILE.json",
    )


def _on_noise(request: Request) -> tuple[str, ...]:
    return () if request.golden or request.reads_images else (NO_IMAGE,)


def _without_labels(options: ExportOptions, exported: Exported) -> tuple[str, ...]:
    """A note where the labels that were given name nothing."""
    if options.labels is None or exported.manifest.postprocess is not None:
        return ()
    is_file = isinstance(options.labels, Path)
    words = f"--labels {options.labels} is" if is_file else "the labels are"
    return (
        f"{words} left out: labels are for a network that reads images and has one output "
        "(N, classes)",
    )


def _golden(
    options: ExportOptions, spec: TensorSpec, preprocess: Preprocess | None
) -> GivenExamples | None:
    if options.golden is None:
        return None
    from edgecnn.exporting.golden import open_golden

    return open_golden(options.golden, spec, preprocess)
