"""Plans as a target: 8-bit networks for the native engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets import (
    About,
    Precision,
    Translated,
    artefact_path,
)
from edgecnn_runtime.manifest import Artefact, ProofKind

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecnn_exporters.targets.native.write import Plan
    from edgecnn_runtime.engines.protocol import Engine


@dataclass(frozen=True)
class NativeTargetOptions:
    """Options of the plan of an export.

    Attributes:
        io: element type of its inputs and outputs.
    """

    io: Literal["float32", "uint8"] = "float32"


@dataclass(frozen=True)
class NativeTarget:
    """``model.int8.plan``, which the native engine runs, for any number of images at a time."""

    options: NativeTargetOptions = field(default_factory=NativeTargetOptions)

    name: ClassVar[str] = "native"
    format: ClassVar[str] = "plan"
    suffixes: ClassVar[tuple[str, ...]] = (".plan",)
    precisions: ClassVar[tuple[Precision, ...]] = ("int8",)
    engine: ClassVar[str | None] = "native"
    options_type: ClassVar[type[NativeTargetOptions]] = NativeTargetOptions
    proof: ClassVar[ProofKind] = "measured"

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        """The artefact.

        Raises:
            NoKernel: a node has no kernel, or stays float.
            UnsupportedModel: an input is no image and no vector, or a batch is fixed; an output
                stays float, and uint8 is asked for.
        """
        from edgecnn_exporters.targets.native.write import plan_of

        is_byte = self.options.io == "uint8"
        plan = plan_of(_held(model) if is_byte else model, byte_io=is_byte)
        path = artefact_path(precision, self.suffixes[0])
        counts = Counter(layer.code.name for layer in plan.network.layers)
        return Translated(
            self,
            Artefact(path, self.format, precision, encodings=_encodings(plan)),
            {path: plan.to_bytes()},
            dict(sorted(counts.items())),
        )

    def open_exact(self, translated: Translated) -> Engine | None:
        """None: every family of kernels computes the same integers."""
        return None


def _held(model: ir.Model) -> ir.Model:
    """The QDQ graph with results of 8 bits.

    Raises:
        UnsupportedModel: no encoding was measured for one.
    """
    from edgecnn_exporters.quantise.graph.integer_results import float_outputs, with_integer_results

    held = with_integer_results(model)
    for name, reason in float_outputs(held.graph).items():
        raise UnsupportedModel(
            f"output {name} stays float ({reason}), and a plan whose outputs are uint8 needs an "
            "8-bit encoding for each; say --native-io float32"
        )
    return held


def _encodings(plan: Plan) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each input and output of 8 bits."""
    network = plan.network
    found = {name: network.images[name].encoding for name in (*network.inputs, *network.outputs)}
    return {
        name: (encoding.scale, encoding.zero_point)
        for name, encoding in found.items()
        if encoding is not None
    }
