"""Diagnosis candidate: an OpenVINO IR in OpenVINO, whole and cut at every value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.diagnose.align import Encoding8, Point, points_of
from edgecnn_exporters.diagnose.causes.runtime import IN_FLOAT32
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_exporters.diagnose.sources import Candidate
from edgecnn_exporters.targets.openvino.requantise import name_in_units, power_of_two
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError, first_line

if TYPE_CHECKING:
    import onnx_ir as ir

F32 = "f32"
# Share of a step by which float32 rounds a value in 8 bits at most.
OFF_GRID = 1e-2


@dataclass(frozen=True)
class View:
    """A port of an IR that holds a value, in units: ``value = unit * port``."""

    port: Any
    unit: float


class OpenVinoCandidate:
    """An IR on the CPU. Its tensors carry the names of the graph that it was written from.

    What its convolutions read has a name and units of its own (`RequantiseInSteps`).
    """

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
        self.missing = frozenset(name for name, point in known if not _views(ports, point))
        self.settings: Mapping[str, Candidate] = {}
        if hint != F32:
            self.settings = {IN_FLOAT32: OpenVinoCandidate(xml, weights, model, precision)}

    @cached_property
    def content(self) -> ir.Model:
        """The file as an ONNX graph; `model` where it has anything that is not translated."""
        from edgecnn_exporters.diagnose.openvino.graph import read_openvino

        try:
            return read_openvino(self._read()[0], self.model)
        except Exception:  # whatever is odd in a file: it can be run all the same
            return self.model

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        points = {name: p for name, p in points_of(self.model).items() if name in names}
        model, ports = self._read()
        wanted = {name: views for name, p in points.items() if (views := _views(ports, p))}
        return self._run(wanted, points, list(model.get_parameters()), feeds)

    def isolated(self, cut: Cut, values: Mapping[str, Array]) -> dict[str, Array]:
        model, ports = self._read()
        parameters = {node.output(0).any_name: node for node in model.get_parameters()}
        views = {name: _views(ports, point) for name, point in cut.points.items()}
        fed = {}
        for name in cut.inputs:
            if cut.inputs[name] in parameters:
                fed[name] = parameters[cut.inputs[name]]
            else:
                fed[name] = _feed(views[name], cut.points[name], values[name])
        feeds = {node.output(0).any_name: values[name] for name, node in fed.items()}
        wanted = {name: views[name] for name in cut.outputs}
        return self._run(wanted, cut.points, list(fed.values()), feeds)

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
        self,
        views: Mapping[str, Sequence[View]],
        points: Mapping[str, Point],
        parameters: list[Any],
        feeds: Mapping[str, Array],
    ) -> dict[str, Array]:
        import openvino
        from openvino import opset13

        flat = [(name, view) for name, each in views.items() for view in each]
        results = [opset13.result(view.port) for _, view in flat]
        model = openvino.Model(results, parameters, "cut")
        settings: dict[str, int | str] = {"INFERENCE_NUM_THREADS": 1}
        if self.hint is not None:
            settings["INFERENCE_PRECISION_HINT"] = self.hint
        try:
            compiled = openvino.Core().compile_model(model, "CPU", settings)
            found = compiled({key: np.ascontiguousarray(array) for key, array in feeds.items()})
        except Exception as error:  # its exceptions share no narrower base
            raise EngineError(f"openvino refuses the file: {first_line(error)}") from error
        arrays: dict[str, list[Array]] = {name: [] for name in views}
        for index, (name, view) in enumerate(flat):
            arrays[name].append(found[index] * np.float32(view.unit))
        return {name: _farthest(each, points[name].encoding) for name, each in arrays.items()}


def _farthest(views: Sequence[Array], encoding: Encoding8 | None) -> Array:
    """Of a value that a file holds twice, the one that its encoding cannot hold; else the first."""
    if encoding is None or len(views) == 1:
        return views[0]
    left = [float(np.abs(each - encoding.fake_quantise(each)).max()) for each in views]
    return views[left.index(max(left))] if max(left) > OFF_GRID * encoding.scale else views[0]


def _views(ports: Mapping[str, Any], point: Point) -> list[View]:
    """The ports that hold a value; none where OpenVINO's rewrites drop them."""
    units = {point.read: 1.0}
    if point.encoding is not None:
        scale = np.float32(point.encoding.back_scale)
        units[name_in_units(point.read)] = float(scale / power_of_two(scale))
    return [View(ports[name], unit) for name, unit in units.items() if name in ports]


def _feed(views: Sequence[View], point: Point, sample: Array) -> Any:
    """Feed the readers of a value from a new input, through the value's own encoding."""
    from openvino import PartialShape, Type, opset13

    parameter = opset13.parameter(PartialShape([-1, *sample.shape[1:]]), Type.f32)
    name = f"{views[0].port.any_name}@fed"
    parameter.output(0).set_names({name})
    parameter.set_friendly_name(name)
    for view in views:
        read = parameter.output(0)
        if view.unit != 1:
            read = opset13.divide(read, np.float32(view.unit)).output(0)
        if point.encoding is not None:
            read = _fake_quantise(view, read, point.encoding)
        for reader in view.port.get_target_inputs():
            if reader.get_node().get_type_name() != "Result":
                reader.replace_source_output(read)
    return parameter


def _fake_quantise(view: View, read: Any, encoding: Encoding8) -> Any:
    """`read`, rounded and saturated as the value in the view is."""
    from openvino import opset13

    node = view.port.get_node()
    if node.get_type_name() == "FakeQuantize":
        # What it puts out; what it reads may be in steps.
        ends = [node.input(index).get_source_output() for index in (3, 4)]
        levels = node.get_attributes()["levels"]
    else:
        ends = [np.float32(end / view.unit) for end in encoding.range]
        levels = encoding.high - encoding.low + 1
    return opset13.fake_quantize(read, *ends, *ends, levels).output(0)
