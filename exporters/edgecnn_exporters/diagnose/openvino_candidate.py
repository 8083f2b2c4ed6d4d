"""Diagnosis candidate: an OpenVINO IR in OpenVINO, whole and cut at every value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.diagnose.align import points_of
from edgecnn_exporters.diagnose.causes.runtime import IN_FLOAT32
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_exporters.diagnose.sources import Candidate
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError, first_line

if TYPE_CHECKING:
    import onnx_ir as ir

F32 = "f32"


class OpenVinoCandidate:
    """An IR on the CPU. Its tensors carry the names of the graph that it was written from."""

    def __init__(
        self, xml: bytes, weights: bytes, model: ir.Model, precision: str, *, hint: str | None = F32
    ) -> None:
        """Open the two files of a model.

        Args:
            model: the ONNX model that they were written from.
            hint: INFERENCE_PRECISION_HINT; None leaves the choice to OpenVINO, which takes
                bfloat16 where the CPU has it.
        """
        self.model = model
        self.precision = precision
        self.name = f"OpenVINO, {hint or 'its own choice of precision'}"
        self._files, self.hint = (xml, weights), hint
        ports = self._read()[1]
        # OpenVINO's rewrites drop some names.
        known = points_of(model).items()
        self.missing = frozenset(name for name, point in known if point.read not in ports)
        self.settings: Mapping[str, Candidate] = {}
        if hint != F32:
            self.settings = {IN_FLOAT32: OpenVinoCandidate(xml, weights, model, precision)}

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        points = {name: p for name, p in points_of(self.model).items() if name in names}
        model, ports = self._read()
        wanted = {name: ports[p.read] for name, p in points.items() if p.read in ports}
        parameters = list(model.get_parameters())
        return self._run(list(wanted.values()), parameters, feeds, list(wanted))

    def isolated(self, cut: Cut, values: Mapping[str, Array]) -> dict[str, Array]:
        model, ports = self._read()
        parameters = {node.output(0).any_name: node for node in model.get_parameters()}
        wanted = {name: ports[cut.points[name].read] for name in cut.outputs}
        fed = {}
        for name in cut.inputs:
            point = cut.points[name]
            if cut.inputs[name] in parameters:
                fed[name] = parameters[cut.inputs[name]]
            else:
                fed[name] = _feed(ports[point.read], values[name])
        feeds = {node.output(0).any_name: values[name] for name, node in fed.items()}
        return self._run(list(wanted.values()), list(fed.values()), feeds, list(wanted))

    def _read(self) -> tuple[Any, dict[str, Any]]:
        """The model, and the output port of each named value."""
        import openvino

        model = openvino.Core().read_model(*self._files)
        ports = {
            name: port
            for node in model.get_ordered_ops()
            if node.get_type_name() != "Result"
            for port in node.outputs()
            for name in port.get_names()
        }
        return model, ports

    def _run(
        self, ports: list[Any], parameters: list[Any], feeds: Mapping[str, Array], names: list[str]
    ) -> dict[str, Array]:
        import openvino
        from openvino import opset13

        model = openvino.Model([opset13.result(port) for port in ports], parameters, "cut")
        settings: dict[str, int | str] = {"INFERENCE_NUM_THREADS": 1}
        if self.hint is not None:
            settings["INFERENCE_PRECISION_HINT"] = self.hint
        try:
            compiled = openvino.Core().compile_model(model, "CPU", settings)
            results = compiled({key: np.ascontiguousarray(array) for key, array in feeds.items()})
        except Exception as error:  # its exceptions share no narrower base
            raise EngineError(f"openvino refuses the file: {first_line(error)}") from error
        return {name: np.array(results[index]) for index, name in enumerate(names)}


def _feed(port: Any, sample: Array) -> Any:
    """Feed the readers of a value from a new input, through the value's own FakeQuantize."""
    from openvino import PartialShape, Type, opset13

    parameter = opset13.parameter(PartialShape([-1, *sample.shape[1:]]), Type.f32)
    name = f"{port.any_name}@fed"
    parameter.output(0).set_names({name})
    parameter.set_friendly_name(name)
    readers, node = port.get_target_inputs(), port.get_node()
    read = parameter.output(0)
    if node.get_type_name() == "FakeQuantize":
        limits = [node.input(index).get_source_output() for index in range(1, 5)]
        levels = node.get_attributes()["levels"]
        read = opset13.fake_quantize(parameter, *limits, levels).output(0)
    for reader in readers:
        if reader.get_node().get_type_name() != "Result":
            reader.replace_source_output(read)
    return parameter
