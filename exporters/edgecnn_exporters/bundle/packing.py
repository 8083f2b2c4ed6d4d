"""Packing of a verified network: its artefacts, and the manifest and files of its bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.bundle.accept import Acceptance
from edgecnn_exporters.bundle.contents import about, bundle_contents, labels_of
from edgecnn_exporters.bundle.examples import Examples
from edgecnn_exporters.bundle.provenance import targets_provenance
from edgecnn_exporters.bundle.requests import Judge, Request
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import LimitMissed, UnsupportedModel
from edgecnn_exporters.scratch import scratch_folder
from edgecnn_exporters.targets import Precision, Translated
from edgecnn_runtime.bundle.write import Contents, write_contents
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.progress import Announce

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecnn_exporters.quantise.ladder import Quantised


@dataclass(frozen=True)
class Packing:
    """Packing of one network: everything in the bundle but the 8-bit artefact.

    Attributes:
        model: the canonical graph.
        fp32: the canonical graph as ONNX bytes.
        examples: what every artefact must answer.
        acceptances: of artefacts, by the QDQ graph; the bundle's contents are made more than once.
    """

    model: ir.Model
    fp32: bytes
    request: Request
    examples: Examples
    provenance: dict[str, Any]
    acceptances: dict[bytes | None, Acceptance] = field(default_factory=dict)

    def contents(
        self, quantised: Quantised | None, translated: Sequence[Translated] = ()
    ) -> Contents:
        """The contents of the bundle."""
        models: dict[Precision, bytes] = {"fp32": self.fp32}
        provenance, request = self.provenance, self.request.quantise
        if quantised is not None and request is not None:
            models["int8"] = to_bytes(quantised.model)
            own = {"data": request.data, **asdict(request.config), **quantised.provenance()}
            provenance = provenance | {"quantisation": own}
        if translated:
            provenance = provenance | {"targets": targets_provenance(translated)}
        return bundle_contents(
            models, self.request, provenance, self.examples, self.acceptances, translated
        )

    def translate(
        self, quantised: Quantised | None, manifest: Manifest, progress: Announce
    ) -> tuple[tuple[Translated, ...], tuple[str, ...]]:
        """Every requested format, in every precision that it writes and the export makes.

        With a note for each optional target that cannot hold the graph.

        Raises:
            UnsupportedModel: a target that writes none of them, or cannot hold the graph.
            LimitMissed: an artefact that is not within what its target's options allow.
        """
        metadata = about(self.request, labels_of(self.request, manifest.outputs))
        models: dict[Precision, ir.Model] = {"fp32": self.model}
        if self.request.half:
            models["fp16"] = self.model
        if quantised is not None:
            models["int8"] = quantised.model
        translated: list[Translated] = []
        left_out: list[str] = []
        for target in self.request.targets:
            own = [precision for precision in models if precision in target.precisions]
            if not own:
                raise UnsupportedModel(
                    f"target {target.name!r} writes {' or '.join(target.precisions)}, asked for is "
                    f"{' and '.join(models)}; leave it out, or ask for the precision"
                )
            for precision in own:
                progress(f"translate: {target.name}, {precision}")
                try:
                    translated.append(target.translate(models[precision], precision, metadata))
                except UnsupportedModel as error:
                    if target.name not in self.request.optional:
                        raise
                    left_out.append(f"{target.name} is left out: {error}")
        return tuple(translated), tuple(left_out)

    def with_training(
        self, contents: Contents, quantised: Quantised | None, unfolded: ir.Model | None
    ) -> tuple[Contents, tuple[str, ...]]:
        """The contents with the requested training graph, proven on a golden step; and notes.

        Args:
            unfolded: the network with its batch normalisations as nodes, where they are needed.

        Raises:
            UnsupportedModel, TargetDiffers: as `training_artefact` says.
        """
        from edgecnn_exporters.learn.artefact import training_artefact
        from edgecnn_exporters.learn.source import LearnSource

        request = self.request.learn
        assert request is not None, "learning was asked for"
        source = LearnSource(
            self.model,
            [feed for feed, _ in self.examples.golden],
            unfolded,
            None if quantised is None else quantised.state,
            self.request.quantise.config.weight_bits if self.request.quantise is not None else 8,
        )
        made = training_artefact(source, request)
        before = contents.manifest
        manifest = replace(
            before,
            parameters=made.parameters,
            training=made.training,
            provenance=before.provenance | {"learning": made.provenance(request)},
        )
        return replace(
            contents, manifest=manifest, files={**contents.files, **made.files}
        ), made.notes


def choose_mixture(
    judge: Judge, packing: Packing, quantised: Quantised, progress: Announce
) -> tuple[Quantised, Contents]:
    """The first bundle that passes the judge: all in 8 bits, or a few operators in float.

    Raises:
        LimitMissed: the accuracies are less than was asked for, whatever is left in float.
    """
    failure = None
    for candidate in chain([quantised], quantised.mixtures()):
        contents = packing.contents(candidate)
        with scratch_folder() as folder:
            path = folder / "judged.edge"
            write_contents(path, contents)
            verdict = judge(path, lambda done: progress(f"judge: {done:.0%}"))
        if verdict.failure is None:
            manifest = contents.manifest
            provenance = manifest.provenance | {"accuracy": dict(verdict.accuracy)}
            manifest = replace(manifest, provenance=provenance)
            return candidate, replace(contents, manifest=manifest)
        failure = failure or verdict.failure
    raise LimitMissed(f"{failure}; most sensitive: {quantised.most_sensitive()}")
