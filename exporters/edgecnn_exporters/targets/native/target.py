"""Plans as a target: 8-bit networks for the native engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from edgecnn_exporters.targets import (
    About,
    NoOptions,
    Precision,
    Translated,
    artefact_path,
)
from edgecnn_runtime.manifest import Artefact, ProofKind

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecnn_runtime.engines.protocol import Engine


@dataclass(frozen=True)
class NativeTarget:
    """``model.int8.plan``, which the native engine runs, for any number of images at a time."""

    options: NoOptions = field(default_factory=NoOptions)

    name: ClassVar[str] = "native"
    format: ClassVar[str] = "plan"
    suffixes: ClassVar[tuple[str, ...]] = (".plan",)
    precisions: ClassVar[tuple[Precision, ...]] = ("int8",)
    engine: ClassVar[str | None] = "native"
    options_type: ClassVar[type[NoOptions]] = NoOptions
    proof: ClassVar[ProofKind] = "measured"

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        """The artefact.

        Raises:
            NoKernel: a node has no kernel, or stays float.
            UnsupportedModel: an input is no image and no vector, or a batch is fixed.
        """
        from edgecnn_exporters.targets.native.write import plan_of

        plan = plan_of(model)
        path = artefact_path(precision, self.suffixes[0])
        counts = Counter(layer.code.name for layer in plan.network.layers)
        return Translated(
            self,
            Artefact(path, self.format, precision),
            {path: plan.to_bytes()},
            dict(sorted(counts.items())),
        )

    def open_exact(self, translated: Translated) -> Engine | None:
        """None: every family of kernels computes the same integers."""
        return None
