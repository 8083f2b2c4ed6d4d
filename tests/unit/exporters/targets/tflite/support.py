"""Test harness of the TFLite target: ONNX text in, LiteRT's outputs and the file's content out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx.checker
import onnx.parser
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from edgecnn_exporters.targets.tflite.write import TfliteModel, TfliteOptions, write_tflite
from edgecnn_runtime.engines.onnxruntime import open_session, session_options

Arrays = dict[str, np.ndarray]
RANDOM = np.random.default_rng(0)
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
TYPES = {code: name for name, code in vars(schema.TensorType).items() if name.isupper()}
CODES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}


def parse(graph: str, constants: Mapping[str, np.ndarray] | None = None, opset: int = 20) -> Any:
    """The graph, checked, as an ONNX message; `constants` are its initialisers."""
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": {opset}]>\n{graph}')
    known = constants or {}
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in known.items())
    onnx.checker.check_model(proto, full_check=True)
    return proto


def weights(*shape: int, bias: int | None = None) -> dict[str, np.ndarray]:
    """A weight w and, of so many channels, a bias b."""
    made = {"w": RANDOM.standard_normal(shape).astype(np.float32)}
    if bias is not None:
        made["b"] = RANDOM.standard_normal(bias).astype(np.float32)
    return made


def one(operator: str, size: str, known: dict[str, np.ndarray], attributes: str = "") -> str:
    inputs = ", ".join(["x", *known])
    said = f"<{attributes}>" if attributes else ""
    return f"g (float[{size}] x) => (float[N, C, H, W] y) {{ y = {operator} {said} ({inputs}) }}"


def canonical(proto: Any) -> ir.Model:
    """The message with shapes inferred and nodes named, as the pipeline leaves it."""
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto, data_prop=True))
    for node in model.graph:
        node.name = node.name or node.outputs[0].name
    return model


def feeds_of(proto: Any, seed: int = 0, batch: int = 1) -> Arrays:
    """Inputs of chance for an ONNX message."""
    random = np.random.default_rng(seed)
    return {
        value.name: (2 * random.standard_normal(sizes)).astype(np.float32)
        for value in proto.graph.input
        for sizes in [[d.dim_value or batch for d in value.type.tensor_type.shape.dim]]
    }


def answer(found: TfliteModel, feeds: Mapping[str, np.ndarray], *, delegate: bool = True) -> Arrays:
    """What LiteRT answers, inputs and outputs as ONNX counts their axes.

    Args:
        delegate: XNNPACK computes what it can; else the interpreter's own kernels do.
    """
    from ai_edge_litert.interpreter import OpResolverType

    how = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_content=found.content, num_threads=1, experimental_op_resolver_type=how
    )
    runner = interpreter.get_signature_runner()
    is_last = found.layout == "NHWC"
    given = {
        name: np.ascontiguousarray(array.transpose(TO_LAST))
        if array.ndim == 4 and is_last
        else array
        for name, array in feeds.items()
    }
    made = runner(**given)
    return {
        name: array.transpose(TO_FIRST) if array.ndim == 4 and is_last else array
        for name, array in made.items()
    }


def reference(proto: Any, feeds: Arrays) -> Arrays:
    """What ONNX's own evaluator answers."""
    names = [output.name for output in proto.graph.output]
    return dict(zip(names, ReferenceEvaluator(proto).run(names, feeds), strict=True))


def by_onnxruntime(proto: Any, feeds: Arrays) -> Arrays:
    """What ONNX Runtime answers, for operators that the evaluator computes wrongly."""
    session = open_session(proto.SerializeToString(), session_options())
    names = [output.name for output in proto.graph.output]
    return dict(zip(names, session.run(names, feeds), strict=True))


def check(
    graph: str,
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    options: TfliteOptions | None = None,
    opset: int = 20,
    relative: float = 1e-5,
    evaluate: Callable[[Any, Arrays], Arrays] = reference,
) -> TfliteModel:
    """The file of a graph, once LiteRT answers as ONNX's evaluator does, with XNNPACK and without.

    Args:
        relative: of the largest number.
    """
    proto = parse(graph, constants, opset)
    found = write_tflite(canonical(proto), options)
    feeds = feeds_of(proto, batch=1 if options is None else options.batch)
    wanted = evaluate(proto, feeds)
    for delegate in (True, False):
        made = answer(found, feeds, delegate=delegate)
        assert made.keys() == wanted.keys()
        for name, array in wanted.items():
            assert made[name].shape == array.shape
            limit = relative * max(1.0, float(np.abs(array).max(initial=0)))
            np.testing.assert_allclose(made[name], array, rtol=0, atol=limit)
    return found


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file; `scale` and `zero_point` are empty where it says nothing of them."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int
    content: bytes | None

    @property
    def array(self) -> np.ndarray:
        assert self.content is not None
        return np.frombuffer(self.content, self.dtype.lower()).reshape(self.shape)


@dataclass(frozen=True)
class Step:
    """An operator of a file, with the names of its tensors."""

    code: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Any


@dataclass(frozen=True)
class File:
    """Content of a TFLite file: tensors and operators."""

    tensors: dict[str, Tensor]
    steps: list[Step]

    @property
    def codes(self) -> list[str]:
        return [step.code for step in self.steps]


def read(found: TfliteModel) -> File:
    """The file, by the schema's own reader and none of the writer's code."""
    model = schema.ModelT.InitFromPackedBuf(found.content, 0)
    (graph,) = model.subgraphs
    tensors = [_tensor(model, each) for each in graph.tensors]
    assert len({tensor.name for tensor in tensors}) == len(tensors)

    def names(indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(tensors[index].name for index in indices)

    steps = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        steps.append(
            Step(
                CODES[builtin],
                code.version,
                names(operator.inputs),
                names(operator.outputs),
                operator.builtinOptions,
            )
        )
    return File({tensor.name: tensor for tensor in tensors}, steps)


def _tensor(model: Any, each: Any) -> Tensor:
    own = each.quantization
    scale = () if own is None or own.scale is None else tuple(float(s) for s in own.scale)
    zero = () if own is None or own.zeroPoint is None else tuple(int(z) for z in own.zeroPoint)
    data = model.buffers[each.buffer].data
    return Tensor(
        each.name.decode(),
        TYPES[each.type],
        () if each.shape is None else tuple(int(n) for n in each.shape),
        scale,
        zero,
        0 if own is None else own.quantizedDimension,
        None if data is None else np.asarray(data, np.uint8).tobytes(),
    )
