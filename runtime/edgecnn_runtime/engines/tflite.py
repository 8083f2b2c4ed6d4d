"""Engine ``tflite``: TFLite on the CPU, by LiteRT, or tflite-runtime where a device has only that.

Both contain the same interpreter and delegate to XNNPACK what it supports; `unasked_lines` keeps
what they print of this from stderr.
"""

from __future__ import annotations

import contextlib
import io
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines import is_importable, refuse_weights
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.engines.once import once
from edgecnn_runtime.engines.table import ENGINES, EnginePackage
from edgecnn_runtime.engines.unasked_lines import DELEGATE, without_line
from edgecnn_runtime.errors import EngineError, EngineUnavailable, first_line
from edgecnn_runtime.host.processor import physical_cores
from edgecnn_runtime.tensor_spec import DTYPES, TensorSpec

_ENTRY = ENGINES["tflite"]
_, _TFLITE_RUNTIME = _ENTRY.packages
SIGNATURE = "serving_default"
# Smaller networks are through before other threads are awake.
WORTH_THREADS_BYTES = 1_000_000

# A model of one tensor and no operator: enough to check that an interpreter opens a model.
_SMALLEST_MODEL = b64decode(
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAcAAAAhAAAAAMAAAABAAAACAAAAAQABAAEAAAA"
    "AQAAABAAAAAMABQAEAAMAAgABAAMAAAAEAAAABAAAAAUAAAAGAAAAAAAAAABAAAAAAAAAAEAAAAAAAAA"
    "AQAAABAAAAAMAAwACAAAAAAABAAMAAAACAAAAAwAAAABAAAAeAAAAAEAAAABAAAAAAAAAA=="
)


class TFLiteEngine:
    """A model in an ``Interpreter``.

    Names come from the signature `SIGNATURE` where the model has one, else from its tensors. A
    model with a dynamic batch in its shape signature is resized whenever the batch changes.
    Without `threads` a model of a megabyte and more takes a thread for each core, at most four; by
    itself the interpreter takes one.
    """

    name: ClassVar[str] = _ENTRY.name
    resolver: ClassVar[str] = "AUTO"
    """Which kernels run: a name of the interpreter's ``OpResolverType``."""
    formats: ClassVar[frozenset[str]] = _ENTRY.formats
    extra: ClassVar[str | None] = _ENTRY.extra

    def __init__(self, interpreter: Any) -> None:
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        names = _signature_names(interpreter)
        self._interpreter = interpreter
        self.inputs = tuple(_tensor_spec(one, names) for one in inputs)
        self.outputs = tuple(_tensor_spec(one, names) for one in outputs)
        self._shapes = tuple(tuple(map(int, one["shape"])) for one in inputs)
        self._input_indices = [one["index"] for one in inputs]
        self._output_names = [spec.name for spec in self.outputs]
        self._output_indices = [one["index"] for one in outputs]

    @classmethod
    def is_installed(cls) -> bool:
        return any(is_importable(package.module) for package in _ENTRY.packages)

    @classmethod
    def version(cls) -> str:
        return _working_interpreter().version

    @classmethod
    def package(cls) -> str:
        """The package whose interpreter opens models here.

        Raises:
            EngineUnavailable: no interpreter is installed, or none opens a model.
        """
        return _working_interpreter().package.name

    @classmethod
    def open(
        cls, model: bytes, *, weights: bytes | None = None, threads: int | None = None
    ) -> Self:
        refuse_weights(cls.name, weights)
        module = _working_interpreter().module
        # tflite-runtime reads the root table without a check of its offset.
        if model[4:8] != b"TFL3" or int.from_bytes(model[:4], "little") > len(model) - 4:
            raise EngineError("tflite refuses the model: it does not begin as a TFLite file does")
        try:
            with without_line(DELEGATE):
                interpreter = module.Interpreter(
                    model_content=model,
                    num_threads=threads or _usual_threads(model),
                    experimental_op_resolver_type=module.OpResolverType[cls.resolver],
                )
                interpreter.allocate_tensors()
        except Exception as error:  # ValueError, RuntimeError, SystemError: no narrower base
            raise EngineError(f"tflite refuses the model: {first_line(error)}") from error
        return cls(interpreter)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        interpreter = self._interpreter
        if interpreter is None:
            raise EngineError("the model is closed; open it again")
        check_feeds(self.inputs, feeds)
        arrays = [feeds[spec.name] for spec in self.inputs]
        try:
            self._resize(tuple(array.shape for array in arrays))
            for index, array in zip(self._input_indices, arrays, strict=True):
                if array.flags.c_contiguous:
                    interpreter.set_tensor(index, array)
                else:  # written into the input tensor, without a copy in between
                    np.copyto(interpreter.tensor(index)(), array)
            interpreter.invoke()
            outputs = [interpreter.get_tensor(index) for index in self._output_indices]
        except Exception as error:
            raise EngineError(f"tflite failed: {first_line(error)}") from error
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        self._interpreter = None

    def _resize(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        if shapes == self._shapes:
            return
        # Unknown until the resize ends: the next run repeats a resize that fails half-way.
        self._shapes = ()
        for index, shape in zip(self._input_indices, shapes, strict=True):
            self._interpreter.resize_tensor_input(index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


@dataclass(frozen=True)
class _Interpreter:
    """A module with an interpreter that opens models, and its package."""

    module: Any
    package: EnginePackage
    version: str


@once
def _working_interpreter() -> _Interpreter:
    """The first interpreter, in order of preference, that opens a model.

    Raises:
        EngineUnavailable: no interpreter is installed, or none opens a model.
    """
    reasons = []
    for package in _ENTRY.packages:
        name = package.module
        try:
            version = str(import_module(name).__version__)
            module = import_module(f"{name}.interpreter")
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError) as error:
            reasons.append(f"does not load {name} ({first_line(error)})")
            continue
        if reason := _interpreter_defect(module, package):
            reasons.append(f"opens no model with {name} {version}: {reason}")
        else:
            return _Interpreter(module, package, version)
    raise EngineUnavailable(_ENTRY.name, _ENTRY.extra, *reasons[:1])


def _usual_threads(model: bytes) -> int:
    return physical_cores() if len(model) >= WORTH_THREADS_BYTES else 1


def _interpreter_defect(module: Any, package: EnginePackage) -> str | None:
    """Reason why an interpreter that can be imported opens no model; None if it works."""
    # Without delegates, whose creation would be printed. NumPy prints a page on stderr for a
    # module built against another version of NumPy; the returned reason says the same in a line.
    quiet = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            module.Interpreter(
                model_content=_SMALLEST_MODEL, experimental_op_resolver_type=quiet
            ).allocate_tensors()
    except Exception as error:
        # tflite-runtime 2.14, the last, was built against NumPy 1 and fails here, not at import.
        if package == _TFLITE_RUNTIME and int(np.__version__[0]) >= 2:
            return (
                f"it was built against NumPy 1 and this is NumPy {np.__version__}; give it an "
                "environment of its own with numpy<2, or take its successor"
            )
        return first_line(error)
    return None


def _signature_names(interpreter: Any) -> dict[int, str]:
    """Tensor index → the name that the signature gives it; empty without a signature."""
    if SIGNATURE not in interpreter.get_signature_list():
        return {}
    runner = interpreter.get_signature_runner(SIGNATURE)
    details = runner.get_input_details() | runner.get_output_details()
    return {one["index"]: name for name, one in details.items()}


def _tensor_spec(details: Mapping[str, Any], names: Mapping[int, str]) -> TensorSpec:
    dtype = np.dtype(details["dtype"]).name
    if dtype not in DTYPES:
        raise EngineError(
            f"tensor {details['name']!r} has type {dtype}, which edgecnn does not support"
        )
    # An empty shape signature means a scalar, or a writer that wrote only the shape.
    extents = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    shape = tuple(None if extent < 0 else int(extent) for extent in extents)
    return TensorSpec(names.get(details["index"], details["name"]), dtype, shape)
