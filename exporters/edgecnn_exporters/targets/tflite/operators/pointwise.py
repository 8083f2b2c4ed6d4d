"""Element-wise operators of one tensor, mostly activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.quantise.graph.integer_results import PRESCRIBED
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering, PlacedTensor
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Lower, Operator, never

_Options = Callable[[ir.Node], Any]


def _source(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None
    return value


def apply(
    low: Lowering, node: ir.Node, integer: bool, *, code: int, options: _Options | None = None
) -> None:
    """One operator on the tensor, in any axis order."""
    placed = low.read_as_is(_source(node), integer=integer)
    result = low.write_like(node.outputs[0], placed, integer=integer)
    chosen = None if options is None else options(node)
    _compute(low, node, integer, code=code, tensors=(placed.tensor, result), options=chosen)


def _compute(
    low: Lowering,
    node: ir.Node,
    integer: bool,
    *,
    code: int,
    tensors: tuple[int, int],
    options: Any,
) -> None:
    """The operator, and a QUANTIZE where its kernel prescribes another encoding of the result."""
    source, result = tensors
    prescribed = PRESCRIBED.get(node.op_type)
    output = node.outputs[0]
    if not integer or prescribed in (None, low.encoding(output)):
        low.file.operator(code, [source], [result], options)
        return
    between = low.temporary(f"{output.name}.prescribed", low.file.shape(result), prescribed)
    low.file.operator(code, [source], [between], options)
    low.file.operator(BUILTIN.QUANTIZE, [between], [result], schema.QuantizeOptionsT())


def hard_sigmoid(low: Lowering, node: ir.Node, integer: bool) -> None:
    """``alpha * clip(x + beta / alpha, 0, 1 / alpha)``: ADD with a RELU6 where 1 / alpha is 6."""
    alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    placed = low.read_as_is(_source(node))
    shifted, scaled = schema.AddOptionsT(), schema.MulOptionsT()
    offset = low.numbers("offset", np.array(beta / alpha, np.float32))
    factor = low.numbers("factor", np.array(alpha, np.float32))
    tensor = _step(low, node, placed, last=False)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6):
        shifted.fusedActivationFunction = schema.ActivationFunctionType.RELU6
        low.file.operator(BUILTIN.ADD, [placed.tensor, offset], [tensor], shifted)
    else:
        low.file.operator(BUILTIN.ADD, [placed.tensor, offset], [tensor], shifted)
        for code, bound in ((BUILTIN.MAXIMUM, 0.0), (BUILTIN.MINIMUM, 1 / alpha)):
            limit = low.numbers("bound", np.array(bound, np.float32))
            result = _step(low, node, placed, last=False)
            low.file.operator(code, [tensor, limit], [result], schema.MaximumMinimumOptionsT())
            tensor = result
    result = low.write_like(node.outputs[0], placed)
    low.file.operator(BUILTIN.MUL, [tensor, factor], [result], scaled)


def leaky_relu(low: Lowering, node: ir.Node, integer: bool) -> None:
    """LEAKY_RELU; nothing at all where its slope is 1, as the QDQ graph writes the identity."""
    if attribute(node, "alpha", 0.01) == 1 and not node.outputs[0].is_graph_output():
        source = _source(node)
        low.view_as(node.outputs[0], source, low.read_as_is(source).view)
        return
    apply(low, node, integer, code=BUILTIN.LEAKY_RELU, options=_leaky)


def erf(low: Lowering, node: ir.Node, integer: bool) -> None:
    """Refuse an Erf that `FuseGelu` did not fuse."""
    raise low.refuse(node, "it is no part of a GELU, and TFLite has no operator for it alone")


def prelu(low: Lowering, node: ir.Node, integer: bool) -> None:
    """PRELU with slopes that are the same for all of a batch, else ``max(x, 0) + s min(x, 0)``."""
    source, slope = _source(node), node.inputs[1]
    assert slope is not None
    shape, slopes = shape_of(source), shape_of(slope)
    if len(slopes) > len(shape) or any(
        own not in (1, size) for own, size in zip(slopes[::-1], shape[::-1], strict=False)
    ):
        raise low.refuse(node, f"its slopes {slopes} do not broadcast to {shape}")
    order = low.order_of(source)
    array = constant(slope)
    wide = None if array is None else array.reshape((1,) * (len(shape) - array.ndim) + slopes)
    if wide is None or wide.shape[order[0]] != 1:
        factors = low.read_operand(slope, len(shape), order, integer=False)
        _add_halves(low, node, factors)
        return
    # The kernel wants no axis for the batch.
    rest = wide.transpose(order).reshape([wide.shape[axis] for axis in order[1:]])
    factors = low.weight(str(slope.name), rest.astype(np.float32))
    result = low.write(node.outputs[0], order)
    low.file.operator(BUILTIN.PRELU, [low.read(source, order), factors], [result])


def softmax(low: Lowering, node: ir.Node, integer: bool, *, code: int, options: _Options) -> None:
    """SOFTMAX or LOG_SOFTMAX, over the last axis in memory."""
    source = _source(node)
    rank = len(shape_of(source))
    axis = attribute(node, "axis", -1) % rank
    order = low.order_of(source)
    if order[-1] != axis:
        order = (*(each for each in order if each != axis), axis)
    result = low.write(node.outputs[0], order, integer=integer)
    tensors = (low.read(source, order, integer=integer), result)
    _compute(low, node, integer, code=code, tensors=tensors, options=options(node))


def _step(low: Lowering, node: ir.Node, placed: PlacedTensor, *, last: bool) -> int:
    if last:
        return low.write_like(node.outputs[0], placed)
    return low.temporary(f"{node.outputs[0].name}.step", low.file.shape(placed.tensor), None)


def _leaky(node: ir.Node) -> Any:
    options = schema.LeakyReluOptionsT()
    options.alpha = attribute(node, "alpha", 0.01)
    return options


def _gelu(node: ir.Node) -> Any:
    options = schema.GeluOptionsT()
    options.approximate = attribute(node, "approximate", "none") == "tanh"
    return options


def _softmax(node: ir.Node) -> Any:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return options


def elu(low: Lowering, node: ir.Node, integer: bool) -> None:
    """ELU, whose alpha is 1 in TFLite; ``max(x, 0) + alpha ELU(min(x, 0))`` where it is not."""
    alpha = float(attribute(node, "alpha", 1.0))
    if alpha == 1.0:
        apply(low, node, integer, code=BUILTIN.ELU)
        return
    _add_halves(low, node, low.numbers("alpha", np.array(alpha, np.float32)), BUILTIN.ELU)


def _add_halves(low: Lowering, node: ir.Node, factor: int, code: int | None = None) -> None:
    """``max(x, 0) + factor f(min(x, 0))``, f one operator or the identity."""
    order = low.order_of(_source(node))
    data = low.read(_source(node), order)
    positive, negative, scaled = (
        low.temporary(f"{node.outputs[0].name}.{what}", low.file.shape(data), None)
        for what in ("positive", "negative", "scaled")
    )
    zero = low.numbers("bound", np.array(0, np.float32))
    low.file.operator(BUILTIN.RELU, [data], [positive])
    low.file.operator(BUILTIN.MINIMUM, [data, zero], [negative], schema.MaximumMinimumOptionsT())
    if code is not None:
        data, negative = negative, low.file.like(negative, "curved", low.file.shape(negative))
        low.file.operator(code, [data], [negative])
    low.file.operator(BUILTIN.MUL, [negative, factor], [scaled], schema.MulOptionsT())
    result = low.write(node.outputs[0], order)
    low.file.operator(BUILTIN.ADD, [positive, scaled], [result], schema.AddOptionsT())


def reciprocal(low: Lowering, node: ir.Node, integer: bool) -> None:
    """``1 / x``: DIV."""
    placed = low.read_as_is(_source(node))
    one = low.numbers("one", np.array(1, np.float32))
    result = low.write_like(node.outputs[0], placed)
    low.file.operator(BUILTIN.DIV, [one, placed.tensor], [result], schema.DivOptionsT())


def _operator(code: int, options: Callable[[], Any] | None = None) -> Lower:
    chosen = None if options is None else (lambda node: options())
    return partial(apply, code=code, options=chosen)


OPERATORS: Mapping[str, Operator] = {
    "LeakyRelu": Operator(leaky_relu),
    "PRelu": Operator(prelu, never),
    "Sigmoid": Operator(_operator(BUILTIN.LOGISTIC)),
    "Tanh": Operator(_operator(BUILTIN.TANH)),
    "Elu": Operator(elu, never),
    "HardSwish": Operator(_operator(BUILTIN.HARD_SWISH, schema.HardSwishOptionsT), never),
    "HardSigmoid": Operator(hard_sigmoid, never),
    "Gelu": Operator(partial(apply, code=BUILTIN.GELU, options=_gelu), never),
    "Softmax": Operator(partial(softmax, code=BUILTIN.SOFTMAX, options=_softmax)),
    "LogSoftmax": Operator(
        partial(softmax, code=BUILTIN.LOG_SOFTMAX, options=lambda node: schema.LogSoftmaxOptionsT())
    ),
    "Abs": Operator(_operator(BUILTIN.ABS, schema.AbsOptionsT), never),
    "Ceil": Operator(_operator(BUILTIN.CEIL), never),
    "Cos": Operator(_operator(BUILTIN.COS, schema.CosOptionsT), never),
    "Erf": Operator(erf, never),
    "Reciprocal": Operator(reciprocal, never),
    "Exp": Operator(_operator(BUILTIN.EXP, schema.ExpOptionsT), never),
    "Floor": Operator(_operator(BUILTIN.FLOOR), never),
    "Log": Operator(_operator(BUILTIN.LOG), never),
    "Neg": Operator(_operator(BUILTIN.NEG, schema.NegOptionsT), never),
    "Round": Operator(_operator(BUILTIN.ROUND), never),
    "Sin": Operator(_operator(BUILTIN.SIN), never),
    "Sqrt": Operator(_operator(BUILTIN.SQRT), never),
}
