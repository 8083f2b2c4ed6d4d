"""Intermediate values of a model in ONNX Runtime, sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn_exporters.quantise.in_parallel import in_parallel
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.onnxruntime import open_session, session_options

if TYPE_CHECKING:
    import onnx_ir as ir
    from onnx import ModelProto

# onnxruntime_session_options_config_keys.h: no QuantizeLinear is fused with what it stands around.
_AS_WRITTEN = "session.disable_quant_qdq"

# Values by name, (batch, …) each; batch 1 unless it is fixed.
Outputs = dict[str, Float32]


class ValueProbe:
    """A model in ONNX Runtime that returns intermediate values by name."""

    def __init__(
        self,
        model: ir.Model | ModelProto,
        values: Sequence[str] = (),
        *,
        kernels: bool = False,
    ) -> None:
        """Open the model, for one thread each run.

        Args:
            values: names of the values to return; the model's outputs where there are none.
            kernels: of a QDQ graph, compute with ONNX Runtime's integer kernels. Otherwise it is
                computed as it is written, in float between its roundings: what is learnt from it
                does not depend on one runtime's kernels, nor on their faults.
        """
        import onnx
        import onnx_ir as ir

        proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
        own = [output.name for output in proto.graph.output]
        inputs = {value.name for value in proto.graph.input}
        self._names = tuple(values) or tuple(own)
        # An input cannot be an output as well: it is handed back as it came.
        self._requested = [name for name in self._names if name not in inputs]
        more = (name for name in self._requested if name not in own)
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
        options = session_options(threads=1)
        if not kernels:
            options.add_session_config_entry(_AS_WRITTEN, "1")
        self._session = open_session(proto.SerializeToString(), options)
        self._input = self._session.get_inputs()[0].name

    def run(self, sample: Float32) -> Outputs:
        """The requested values, by name."""
        return self.run_all({self._input: sample})

    def run_all(self, feeds: Mapping[str, Array]) -> Outputs:
        """The requested values of a graph with several inputs."""
        # Without names, ONNX Runtime returns every output.
        computed = self._session.run(self._requested, dict(feeds)) if self._requested else []
        values = dict(zip(self._requested, computed, strict=True))
        return {name: values[name] if name in values else feeds[name] for name in self._names}

    def stream(self, samples: Iterable[Float32]) -> Iterator[Outputs]:
        """The values for each sample in turn; those of a few are held at a time."""
        return in_parallel(self.run, samples)
