"""From a verified network to the manifest and files of its bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.bundle.contents import Judge, Request, about, bundle_contents, labels_of
from edgecnn_exporters.bundle.write import write_bundle
from edgecnn_exporters.capture.reference import Reference, to_bytes
from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.targets import Precision, Translated, target
from edgecnn_runtime.manifest import Manifest

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecnn_exporters.quantise.ladder import Quantised

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Packing:
    """What goes into the bundle beside the 8-bit artefact.

    Attributes:
        model: the canonical graph.
        fp32: the same as bytes.
    """

    model: ir.Model
    fp32: bytes
    request: Request
    reference: Reference
    provenance: dict[str, Any]

    def contents(
        self, quantised: Quantised | None, translated: Sequence[Translated] = ()
    ) -> tuple[Manifest, dict[str, bytes]]:
        """The manifest and every file."""
        models, provenance = {"fp32": self.fp32}, self.provenance
        said = self.request.quantise
        if quantised is not None and said is not None:
            models["int8"] = to_bytes(quantised.model)
            own = {"data": said.data, **asdict(said.config), **quantised.provenance()}
            provenance = provenance | {"quantisation": own}
        if translated:
            provenance = provenance | {"targets": _targets(translated)}
        return bundle_contents(models, self.reference, self.request, provenance, translated)

    def translate(
        self, quantised: Quantised | None, manifest: Manifest, progress: Progress
    ) -> tuple[Translated, ...]:
        """Every other format that is asked for, in every precision that there is."""
        wishes = self.request.targets
        labels = labels_of(self.request, manifest.outputs)
        models: dict[Precision, ir.Model] = {"fp32": self.model}
        if wishes.half:
            models["fp16"] = self.model
        if quantised is not None:
            models["int8"] = quantised.model
        found = []
        for name in wishes.names:
            for precision, model in models.items():
                progress(f"translate: {name}, {precision}")
                found.append(target(name)(model, precision, about(self.request, labels)))
        return tuple(found)


def judge(
    ask: Judge, packing: Packing, quantised: Quantised, progress: Progress
) -> tuple[Quantised, Manifest, dict[str, bytes]]:
    """The first bundle that keeps within the limit: all in 8 bits, or a few operators in float.

    Raises:
        LimitMissed: the accuracies are less than was asked for, whatever is left in float.
    """
    failure = None
    for candidate in chain([quantised], quantised.mixtures()):
        manifest, files = packing.contents(candidate)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "judged.edge"
            write_bundle(path, manifest, files)
            verdict = ask(path, lambda done: progress(f"judge: {done:.0%}"))
        if verdict.failure is None:
            provenance = manifest.provenance | {"accuracy": dict(verdict.accuracy)}
            return candidate, replace(manifest, provenance=provenance), files
        failure = failure or verdict.failure
    raise LimitMissed(f"{failure}; most to blame: {quantised.blame()}")


def _targets(translated: Sequence[Translated]) -> dict[str, Any]:
    """For the provenance: what is in each artefact of another format."""
    return {
        each.artefact.path: {"operators": dict(each.operators), "batch": each.batch}
        for each in translated
    }
