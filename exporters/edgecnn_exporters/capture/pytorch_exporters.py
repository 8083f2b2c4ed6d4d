"""PyTorch's two ONNX exporters, and what they say of a network's Python code."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from edgecnn_exporters.capture.kept_parameters import drop_zero_biases
from edgecnn_exporters.capture.value_reads import ValueRead
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

INPUT, BATCH = "input", "N"


@dataclass(frozen=True)
class Job:
    """What an exporter is to export.

    Attributes:
        feed: the input that the network is traced with.
        outputs: names of the outputs, in order, and of each the name of every axis that varies.
        batch: fixed batch size, or None for a dynamic one.
        opset: ONNX operator set, at least 18.
        reads: lines that read values of the input.
        keeps_parameters: every parameter is an initialiser by its own name, nothing is folded.
    """

    module: torch.nn.Module
    feed: Float32
    outputs: Mapping[str, Mapping[int, str]]
    batch: int | None
    opset: int
    reads: Callable[[], list[ValueRead]]
    keeps_parameters: bool = False

    def arguments(self) -> tuple[torch.Tensor]:
        """The traced input; a copy, for a forward may work on it in place."""
        import torch

        return (torch.from_numpy(self.feed.copy()),)


class ValuesBaked(Exception):
    """A traced graph that holds values of the picture that it was traced with."""

    def __init__(self, read: ValueRead) -> None:
        super().__init__(f"reads values of its input and {read.what}, {read.line}")
        self.read = read


def by_dynamo(job: Job) -> ir.Model:
    """Export by `torch.export`, which refuses what depends on values and has no graph."""
    import torch

    program = torch.onnx.export(
        job.module,
        job.arguments(),
        dynamo=True,
        opset_version=job.opset,
        input_names=[INPUT],
        output_names=list(job.outputs),
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},) if job.batch is None else None,
        verbose=False,
        optimize=not job.keeps_parameters,
    )
    if program is None:  # only where torch.onnx.export writes a file itself
        raise CaptureFailed("torch.onnx.export returned no program")
    exported = program.exported_program
    if exported is not None and _remove_restrided(exported.graph_module):
        program = torch.onnx.export(
            exported,
            dynamo=True,
            opset_version=job.opset,
            input_names=[INPUT],
            output_names=list(job.outputs),
            verbose=False,
            optimize=not job.keeps_parameters,
        )
        assert program is not None
    if job.keeps_parameters:
        drop_zero_biases(program.model)
    return program.model


def _remove_restrided(graph_module: torch.fx.GraphModule) -> bool:
    """Remove every `as_strided` that keeps shape and order of its input; whether there was one.

    PyTorch writes one behind a global pool of a channels-last tensor: the mean is (N, C, 1, 1), and
    where an axis is 1 its stride says nothing. ONNX could only gather element by element.
    """
    import torch

    graph = graph_module.graph
    nodes = graph.find_nodes(op="call_function", target=torch.ops.aten.as_strided.default)
    restrided = [(node, source) for node in nodes if (source := _same_order(node)) is not None]
    for node, source in restrided:
        node.replace_all_uses_with(source)
        graph.erase_node(node)
    return bool(restrided)


def _same_order(node: torch.fx.Node) -> torch.fx.Node | None:
    """The node's input, where it has the same shape and its elements lie in the same order."""
    import torch
    from torch.fx.experimental.symbolic_shapes import statically_known_true as is_true

    source = node.args[0]
    if not isinstance(source, torch.fx.Node):
        return None
    before, after = source.meta.get("val"), node.meta.get("val")
    if before is None or after is None or before.ndim != after.ndim:
        return None
    keeps = is_true(before.storage_offset() == after.storage_offset()) and all(
        is_true(size == other) and (is_true(size == 1) or is_true(stride == moved))
        for size, other, stride, moved in zip(
            before.shape, after.shape, before.stride(), after.stride(), strict=True
        )
    )
    return source if keeps else None


def by_torchscript(job: Job) -> ir.Model:
    """Export by tracing one run, refused where the trace holds numbers of the traced picture.

    Raises:
        ValuesBaked: it does; a warning of the tracer alone does not say so, for it also warns of
            numbers that come from shapes.
    """
    import onnx
    import onnx_ir as ir
    import torch
    from torch.onnx import TrainingMode

    reads = job.reads()
    for read in reads:
        if not read.is_size:
            raise ValuesBaked(read)
    stream = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.onnx.export(
            job.module,
            job.arguments(),
            stream,  # type: ignore[arg-type] # with dynamo=False it takes a stream, as documented
            dynamo=False,
            opset_version=job.opset,
            input_names=[INPUT],
            output_names=list(job.outputs),
            dynamic_axes={INPUT: {0: BATCH}, **job.outputs} if job.batch is None else None,
            do_constant_folding=not job.keeps_parameters,
            # In evaluation mode it folds normalisations; parameters of equal values become one
            # unless they are inputs.
            training=TrainingMode.PRESERVE if job.keeps_parameters else TrainingMode.EVAL,
            keep_initializers_as_inputs=job.keeps_parameters,
        )
    for read in reads:
        if any(_is_of(warning, read) for warning in caught):
            raise ValuesBaked(read)
    return ir.from_proto(onnx.load_from_string(stream.getvalue()))


def _is_of(warning: warnings.WarningMessage, read: ValueRead) -> bool:
    """Whether the tracer lost track of a number in the function that reads the size."""
    from torch.jit._trace import TracerWarning

    return (
        issubclass(warning.category, TracerWarning)
        and warning.filename == read.line.file
        and read.line.first <= warning.lineno <= read.line.last
    )


Exporter: TypeAlias = Callable[[Job], "ir.Model"]
EXPORTERS: dict[str, Exporter] = {"dynamo": by_dynamo, "torchscript": by_torchscript}

_LOGGERS = (
    *("torch.onnx", "torch.fx", "torch._dynamo", "torch.export", "torch._subclasses"),
    *("onnx_ir", "onnxscript"),
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what the exporters say of torch's internals: the comparison decides."""
    import torch.export._trace as tracing

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        # It prints the graph up to the line at which it gave up; a module's own name comes first.
        vars(tracing)["print"] = _say_nothing
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        vars(tracing).pop("print", None)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _say_nothing(*_: object, file: object = None) -> None:
    pass
