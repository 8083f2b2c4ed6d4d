"""Static limits of an ONNX artefact: foreign operators, repeated nodes, sizes from constants.

What can be decided without running a model is decided before an engine opens it; a process that is
held to a `Budget` limits the rest.
"""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Callable, Sequence

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.onnx_graph import (
    OWN_DOMAINS,
    Numbers,
    OnnxGraph,
    OnnxModel,
    OnnxNode,
    read_onnx,
)
from edgecnn_runtime.errors import BundleUnreadable, ExternalData, OverBudget

# Runs of nodes in one inference, loops and functions unrolled; a network of 10,000 nodes is large.
# An iteration of a Loop counts as one more: it takes ONNX Runtime about 10 µs, however small it is.
MAX_NODE_RUNS = 200_000
# A tensor has 4 bytes a number, and an engine holds a few of that size at once.
BYTES_PER_NUMBER = 16
# What is counted beyond this is not told apart.
_COUNTLESS = 1 << 62
_MOST_AXES = 64
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
# Its attribute ep_cache_context is the path of a file that an execution provider loads.
_FILE_OPERATORS = frozenset({"EPContext"})
# ONNX Runtime's own format, a flatbuffer with this mark, is detected by its bytes alone.
_ORT_MARK = b"ORTM"

Values = ChainMap[str, Numbers]


def refuse_unsafe_onnx(
    model: bytes, name: str, budget: Budget, *, reads_beside: bool = False
) -> None:
    """Refuse an ONNX artefact that refers to something outside itself or exceeds `budget`.

    Args:
        reads_beside: its operators `EPContext` may read a file in its own folder, by a plain name.

    Raises:
        ExternalData: a tensor, node or operator refers to a file or to foreign code.
        OverBudget: a loop is too long or of unknown length, or an output is too large.
        BundleUnreadable: the bytes are not an ONNX message.
    """
    if model[4:8] == _ORT_MARK:
        raise BundleUnreadable(f"{name} is in ONNX Runtime's own format, expected an ONNX model")
    try:
        _Limits(read_onnx(model), budget, reads_beside).check()
    except RecursionError as error:
        raise OverBudget(f"{name} has functions nested too deep") from error
    except ValueError as error:
        raise BundleUnreadable(f"{name} is not an ONNX model: {error}") from error
    except ExternalData as error:
        raise ExternalData(
            f"{name} {error}, which is not allowed; export it again with edgecnn"
        ) from error
    except OverBudget as error:
        raise OverBudget(f"{name} {error}") from error


class _Limits:
    def __init__(self, model: OnnxModel, budget: Budget, reads_beside: bool) -> None:
        self._model = model
        self._reads_beside = reads_beside
        self._most_numbers = budget.memory_bytes // BYTES_PER_NUMBER
        self._functions = {(f.domain, f.name, f.overload): f for f in model.functions}
        if any(f.domain in OWN_DOMAINS for f in model.functions):
            raise ValueError("a function has the domain of ONNX's own operators")
        self._domains = _DOMAINS | {f.domain for f in model.functions}
        self._runs_of_functions: dict[tuple[str, str, str], int] = {}

    def check(self) -> None:
        self._refuse_larger(self._model.sparse_numbers, "has a sparse tensor")
        runs = sum(self._runs(graph, ChainMap()) for graph in self._model.graphs)
        runs += sum(self._runs_of_function(key) for key in self._functions)
        if runs > MAX_NODE_RUNS:
            raise OverBudget(
                f"runs {min(runs, _COUNTLESS):,} nodes in one inference, loops and functions "
                f"unrolled; at most {MAX_NODE_RUNS:,} are allowed"
            )

    def _runs(self, graph: OnnxGraph, outer: Values) -> int:
        """Number of runs of nodes in one run of `graph`; each node is checked."""
        values = outer.new_child(graph.values)
        return sum(self._runs_of_node(node, values) for node in graph.nodes)

    def _runs_of_node(self, node: OnnxNode, values: Values) -> int:
        self._refuse_foreign(node)
        self._refuse_large(node, values)
        inner = sum(1 + self._runs(graph, values) for graph in node.graphs)
        if node.graphs:
            inner *= _repetitions(node, values)
        key = (node.domain, node.operator, node.overload)
        return 1 + inner + (self._runs_of_function(key) if key in self._functions else 0)

    def _runs_of_function(self, key: tuple[str, str, str]) -> int:
        if key not in self._runs_of_functions:
            # Until its body is counted: a function that calls itself never ends.
            self._runs_of_functions[key] = MAX_NODE_RUNS + 1
            runs = self._runs(self._functions[key], ChainMap())
            self._runs_of_functions[key] = min(runs, _COUNTLESS)
        return self._runs_of_functions[key]

    def _refuse_foreign(self, node: OnnxNode) -> None:
        if self._reads_beside and node.operator in _FILE_OPERATORS and _is_beside(node):
            return
        if node.domain not in self._domains or node.operator in _FILE_OPERATORS:
            raise ExternalData(
                f"has the operator {node.domain}:{node.operator}, whose code or data is outside "
                "the bundle"
            )

    def _refuse_large(self, node: OnnxNode, values: Values) -> None:
        count = _COUNTS.get(node.operator)
        if count is None:
            return
        given = [values.get(name, ()) for name in node.inputs]
        self._refuse_larger(_bounded(count, node, given), f"makes with {node.operator} a tensor")

    def _refuse_larger(self, numbers: int, what: str) -> None:
        if numbers > self._most_numbers:
            raise OverBudget(
                f"{what} of {min(numbers, _COUNTLESS):,} numbers or more; at most "
                f"{self._most_numbers:,} are allowed"
            )


def _is_beside(node: OnnxNode) -> bool:
    """Whether an `EPContext` reads a file of its own folder, and holds no binary itself."""
    path = node.texts.get("ep_cache_context", b"")
    is_plain = re.fullmatch(rb"[A-Za-z0-9_-][A-Za-z0-9._-]*", path) is not None
    return node.domain == "com.microsoft" and node.numbers.get("embed_mode") == (0,) and is_plain


def _repetitions(node: OnnxNode, values: Values) -> int:
    """How often the subgraphs of a node run in one run of the node.

    Raises:
        OverBudget: the number is not a constant of the model.
    """
    if node.operator == "If" and node.domain in OWN_DOMAINS:
        return 1
    if node.operator == "Loop" and node.domain in OWN_DOMAINS:
        trips = values.get(node.inputs[0], ()) if node.inputs else ()
        if len(trips) == 1 and trips[0] <= MAX_NODE_RUNS:
            return max(0, int(trips[0]))
        if trips:
            raise OverBudget(
                f"has a Loop of {trips[0]:,} iterations; at most {MAX_NODE_RUNS:,} are allowed"
            )
    raise OverBudget(
        f"has the operator {node.operator}, which repeats a part of the network an unknown number "
        "of times"
    )


def _bounded(
    count: Callable[[OnnxNode, Sequence[Numbers]], float], node: OnnxNode, given: Sequence[Numbers]
) -> int:
    """The count of numbers; 0 where constants do not say it."""
    try:
        numbers = count(node, given)
        return int(min(numbers, _COUNTLESS))
    except (IndexError, ValueError, OverflowError, ZeroDivisionError):
        return 0


def _size(numbers: Sequence[float]) -> float:
    """Product of the extents that are above 1; 0 without any extent, or where one is 0."""
    if not numbers or 0 in numbers:
        return 0
    return math.prod(max(1, extent) for extent in numbers[:_MOST_AXES])


def _resized(node: OnnxNode, given: Sequence[Numbers]) -> float:
    # Inputs: X, roi, scales, sizes; of opset 10 and Upsample: X, scales.
    operands = [one for one in given[1:] if one]
    return max((_size(one) for one in operands), default=0)


def _padded(node: OnnxNode, given: Sequence[Numbers]) -> float:
    pads = node.numbers.get("pads") or given[1]
    axes = len(pads) // 2
    return _size([max(1, pads[axis] + pads[axis + axes]) for axis in range(axes)])


def _ranged(node: OnnxNode, given: Sequence[Numbers]) -> float:
    (start,), (limit,), (step,) = given[:3]
    return (limit - start) / step


# Operator → a lower bound of the numbers in its output, from its constants alone.
_COUNTS: dict[str, Callable[[OnnxNode, Sequence[Numbers]], float]] = {
    "ConstantOfShape": lambda node, given: _size(given[0]),
    "Expand": lambda node, given: _size(given[1]),
    "Tile": lambda node, given: _size(given[1]),
    "Resize": _resized,
    "Upsample": lambda node, given: _size(node.numbers.get("scales") or given[1]),
    "Pad": _padded,
    "Range": _ranged,
    "OneHot": lambda node, given: _size(given[1]),
    "MaxUnpool": lambda node, given: _size(given[2]),
    "CenterCropPad": lambda node, given: _size(given[1]),
    "AffineGrid": lambda node, given: _size(given[1]),
    "Col2Im": lambda node, given: _size(given[1]),
    "ConvTranspose": lambda node, given: _size(node.numbers.get("output_shape", ())),
    "RandomNormal": lambda node, given: _size(node.numbers.get("shape", ())),
    "RandomUniform": lambda node, given: _size(node.numbers.get("shape", ())),
    "HannWindow": lambda node, given: _size(given[0]),
    "HammingWindow": lambda node, given: _size(given[0]),
    "BlackmanWindow": lambda node, given: _size(given[0]),
}
