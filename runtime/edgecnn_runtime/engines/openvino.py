"""Engine ``openvino``: OpenVINO on the CPU."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines import is_importable
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.engines.once import once
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError, EngineUnavailable, first_line
from edgecnn_runtime.tensor_spec import DTYPES, TensorSpec

_ENTRY = ENGINES["openvino"]
(_PACKAGE,) = _ENTRY.packages
# OpenVINO reads ONNX, TensorFlow and more from the same call, and follows an ONNX tensor's path to
# any file of the machine: only its own format is accepted.
_BEGINNINGS = (b"<?xml", b"<net")
_IMPORTING = threading.Lock()


class OpenVINOEngine:
    """A compiled model and one request on the device CPU.

    Arithmetic is float32 where the model says float: by itself OpenVINO takes bf16 or fp16 on CPUs
    that are fast at it. One stream: the answer to one request, as early as it can be had.
    """

    name: ClassVar[str] = _ENTRY.name
    formats: ClassVar[frozenset[str]] = _ENTRY.formats
    extra: ClassVar[str | None] = _ENTRY.extra

    def __init__(self, read: Any, compiled: Any) -> None:
        # A compiled model's tensors have further names, of those that they were fused with.
        self.inputs = tuple(map(_tensor_spec, read.inputs, compiled.inputs))
        self.outputs = tuple(map(_tensor_spec, read.outputs, compiled.outputs))
        self._output_names = [spec.name for spec in self.outputs]
        self._request = compiled.create_infer_request()

    @classmethod
    def is_installed(cls) -> bool:
        return is_importable(_PACKAGE.module)

    @classmethod
    def version(cls) -> str:
        return str(import_openvino().__version__).partition("-")[0]

    @classmethod
    def open(
        cls,
        model: bytes,
        *,
        weights: bytes | None = None,
        threads: int | None = None,
        in_integers: bool = True,
        is_profiled: bool = False,
    ) -> Self:
        """Make a model ready to run, as `Engine.open` does.

        Args:
            in_integers: False computes the int8 layers in float32, slower and exact; x86 without
                VNNI adds pairs of u8 × s8 products in 16 bits, which saturate.
            is_profiled: time every operator, for `operator_times`.
        """
        core = _core()
        if not model.lstrip().startswith(_BEGINNINGS):
            raise EngineError("openvino refuses the model: it is no OpenVINO IR, which is XML")
        if weights is None:
            raise EngineError(
                "openvino refuses the model: its weights file is missing; name the .bin as "
                "'weights' of the artefact"
            )
        options: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        if is_profiled:
            options["PERF_COUNT"] = "YES"
        if not in_integers:
            options["LP_TRANSFORMS_MODE"] = "NO"
        try:
            read = core.read_model(model=model, weights=weights)
            return cls(read, core.compile_model(read, "CPU", options))
        except Exception as error:  # RuntimeError of the library, TypeError of its binding
            raise EngineError(f"openvino refuses the model: {_reason(error)}") from error

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        request = self._request
        if request is None:
            raise EngineError("the model is closed; open it again")
        check_feeds(self.inputs, feeds)
        arrays = {number: feeds[spec.name] for number, spec in enumerate(self.inputs)}
        try:
            # Inputs are shared, not copied; outputs are copied out of OpenVINO's memory.
            outputs = request.infer(arrays, share_inputs=True, share_outputs=False)
        except Exception as error:
            raise EngineError(f"openvino failed: {_reason(error)}") from error
        return dict(zip(self._output_names, outputs.values(), strict=True))

    def operator_times(self) -> list[tuple[str, str, float]]:
        """Name, kind and milliseconds of every operator of the last run, of a profiled model."""
        return [
            (one.node_name, one.node_type, one.real_time.total_seconds() * 1e3)
            for one in self._request.profiling_info
            if one.status == one.Status.EXECUTED
        ]

    def close(self) -> None:
        self._request = None


@once
def _core() -> Any:
    """The ``openvino.Core`` of this process; it loads its CPU plug-in once."""
    return import_openvino().Core()


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Import OpenVINO without its telemetry package.

    The telemetry forks the process, which disturbs measurements, and hangs without a network.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # importing it fails
    try:
        yield
    finally:
        del sys.modules[name]


def import_openvino() -> Any:
    """The openvino package, imported without telemetry.

    Raises:
        EngineUnavailable: it is not installed, or does not load.
    """
    try:
        with _IMPORTING, _without_telemetry():
            import openvino
    except ModuleNotFoundError as error:
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra) from error
    except (ImportError, OSError) as error:
        reason = f"does not load ({first_line(error)})"
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra, reason) from error
    return openvino


def _reason(error: Exception) -> str:
    """The last line of OpenVINO's error message; the lines before it name its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _tensor_spec(named: Any, port: Any) -> TensorSpec:
    """Name of the tensor as the file has it, type and shape as it was compiled."""
    names = sorted(named.get_names())
    name = names[0] if names else str(named.get_node().get_friendly_name())
    dtype = np.dtype(port.get_element_type().to_dtype()).name
    if dtype not in DTYPES:
        raise EngineError(f"tensor {name!r} has type {dtype}, which edgecnn does not support")
    shape = tuple(
        None if extent.is_dynamic else extent.get_length() for extent in port.get_partial_shape()
    )
    return TensorSpec(name, dtype, shape)
