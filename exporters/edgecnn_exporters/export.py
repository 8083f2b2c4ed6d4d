"""The main job: a network in, a verified bundle out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_exporters.capture import Attempt, capture
from edgecnn_exporters.contents import Request, bundle_contents, provenance_of
from edgecnn_exporters.errors import CaptureFailed, NonFiniteWeights
from edgecnn_exporters.onnx_source import OnnxSource
from edgecnn_exporters.package import write_bundle
from edgecnn_exporters.reference import Reference, compare_model, run_model, run_module, to_bytes
from edgecnn_runtime.golden import Difference, is_within
from edgecnn_runtime.manifest import Manifest

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

STAGES = ("run the original", "capture", "optimise", "verify", "package")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """A bundle that was written, and what was found on the way.

    Attributes:
        difference: of the packaged model against the original, over all batches.
        passes: names of the graph passes that changed the model.
        operators: how often each operator stands in the packaged model.
    """

    path: Path
    size_bytes: int
    manifest: Manifest
    attempts: tuple[Attempt, ...]
    difference: Difference
    passes: tuple[str, ...]
    operators: Mapping[str, int]


def export_module(
    module: torch.nn.Module, request: Request, output: Path, progress: Progress
) -> Exported:
    """Capture a PyTorch network, optimise and verify it, and write the bundle.

    Args:
        module: in evaluation mode, on the CPU, in float32.
        progress: told the name of each of `STAGES` as it begins.

    Raises:
        NonFiniteWeights: a weight is NaN or infinite.
        CaptureFailed: no exporter agrees with PyTorch.
        UnsupportedModel: the graph cannot be brought into canonical form.
        OutputNotWritable: the bundle cannot be written.
    """
    import torch

    bad = [name for name, value in module.state_dict().items() if not torch.isfinite(value).all()]
    _refuse_non_finite(bad)
    progress("run the original")
    reference = run_module(module, request.feeds())
    progress("capture")
    captured = capture(module, reference, batch=request.input.shape[0], opset=request.opset)
    return _finish(captured.model, captured.attempts, reference, request, output, progress)


def export_onnx(source: OnnxSource, request: Request, output: Path, progress: Progress) -> Exported:
    """Optimise an ONNX model (changed in place), verify it against the original, write the bundle.

    Raises:
        NonFiniteWeights, UnsupportedModel, OutputNotWritable: as `export_module`.
    """
    from edgecnn_exporters.passes import find_non_finite

    _refuse_non_finite(find_non_finite(source.model))
    progress("run the original")
    reference = run_model(source.original, request.feeds())
    attempts = (Attempt("onnx file", "its own answers are the reference"),)
    return _finish(source.model, attempts, reference, request, output, progress)


def _finish(
    model: ir.Model,
    attempts: tuple[Attempt, ...],
    reference: Reference,
    request: Request,
    output: Path,
    progress: Progress,
) -> Exported:
    from edgecnn_exporters.passes import canonicalise

    progress("optimise")
    passes = canonicalise(model)
    progress("verify")
    content = to_bytes(model)
    found = compare_model(content, reference)
    if not is_within(found, "fp32"):
        raise CaptureFailed(
            f"the optimised graph differs from the original by {found.relative:.1e} of its output; "
            f"passes applied: {', '.join(passes)}. This is a defect of edgecnn: please report it"
        )
    progress("package")
    provenance = provenance_of(request, reference, attempts, passes, found)
    manifest, files = bundle_contents(content, reference, request, provenance)
    manifest = write_bundle(output, manifest, files)
    return Exported(
        path=output,
        size_bytes=output.stat().st_size,
        manifest=manifest,
        attempts=attempts,
        difference=found,
        passes=passes,
        operators=Counter(node.op_type for node in model.graph),
    )


def _refuse_non_finite(names: list[str]) -> None:
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise NonFiniteWeights(
            f"weight {names[0]}{others} holds NaN or infinity; nothing trained can be exported "
            "from it: go back to an earlier checkpoint"
        )
