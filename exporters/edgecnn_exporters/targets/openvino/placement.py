"""Operator placement in OpenVINO: the execution precision of each operator on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# OpenVINO's operators that are sums of products.
PRODUCTS = frozenset({"Convolution", "Deconvolution", "FullyConnected", "MatMul"})


@dataclass(frozen=True)
class Executed:
    """A node of the graph that OpenVINO executes.

    Attributes:
        kind: OpenVINO's name of what it computes: ``Convolution``, ``Eltwise``, ….
        precision: of the numbers that it reads: ``u8``, ``i8``, ``f32``, ….
        kernel: the implementation that was chosen: ``brgconv_avx512_I8``, ….
        layers: the nodes of the model that it computes, by their names there.
    """

    kind: str
    precision: str
    kernel: str
    layers: tuple[str, ...]

    @property
    def is_integer(self) -> bool:
        """Whether it reads 8-bit integers."""
        return self.precision in ("i8", "u8")


def executed_precisions(compiled: Any) -> Mapping[str, Executed]:
    """Executed nodes of an ``openvino.CompiledModel``, by name, with their precision.

    Constants are left out. A fused node appears once, with every layer that it computes.
    """
    return {
        node.get_friendly_name(): executed
        for node in compiled.get_runtime_model().get_ordered_ops()
        if (executed := _executed(node)).kind not in ("Const", "Constant")
    }


def _executed(node: Any) -> Executed:
    info = {key: str(value.astype(str)) for key, value in node.rt_info.items() if key in _KEYS}
    layers = info.get("originalLayersNames", "").split(",")
    return Executed(
        info["layerType"],
        info["runtimePrecision"],
        info["primitiveType"],
        tuple(name for name in layers if name),
    )


_KEYS = frozenset({"layerType", "originalLayersNames", "primitiveType", "runtimePrecision"})
