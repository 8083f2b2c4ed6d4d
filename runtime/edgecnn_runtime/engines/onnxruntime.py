"""Engine ``onnxruntime``: ONNX Runtime on the CPU, without telemetry and without files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any, ClassVar, Self

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines import is_importable, refuse_weights
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.engines.unasked_lines import DEVICE_DISCOVERY, without_line
from edgecnn_runtime.errors import EngineError, EngineUnavailable, first_line
from edgecnn_runtime.host.processor import cpu_features
from edgecnn_runtime.tensor_spec import TensorSpec

_ENTRY = ENGINES["onnxruntime"]
(_PACKAGE,) = _ENTRY.packages
_EXACT = "session.x64quantprecision"
# onnxruntime_session_options_config_keys.h. A model comes as bytes: its format is stated, because
# ONNX Runtime takes bytes with the mark of its own format for that one, which `bundle` does not
# check. The folder of external data is one that cannot exist: by itself it is the working folder.
_NO_FILES = {
    "session.load_model_format": "ONNX",
    "session.model_external_initializers_file_folder_path": f"{os.devnull}/none",
}
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxRuntimeEngine:
    """A model in an ``onnxruntime.InferenceSession`` with the CPU execution provider."""

    name: ClassVar[str] = _ENTRY.name
    formats: ClassVar[frozenset[str]] = _ENTRY.formats
    extra: ClassVar[str | None] = _ENTRY.extra
    is_thread_safe: ClassVar[bool] = True

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = tuple(map(tensor_spec, session.get_inputs()))
        self.outputs = tuple(map(tensor_spec, session.get_outputs()))
        self._output_names = [spec.name for spec in self.outputs]

    @classmethod
    def is_installed(cls) -> bool:
        return is_importable(_PACKAGE.module)

    @classmethod
    def version(cls) -> str:
        return str(import_onnxruntime().__version__)

    @classmethod
    def open(
        cls, model: bytes, *, weights: bytes | None = None, threads: int | None = None
    ) -> Self:
        refuse_weights(cls.name, weights)
        options = session_options(threads)
        try:
            session = open_session(model, options)
        except Exception as error:  # onnxruntime's exceptions share no narrower base
            raise EngineError(f"onnxruntime refuses the model: {first_line(error)}") from error
        return cls(session)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        session = self._session  # another thread may close the model meanwhile
        if session is None:
            raise EngineError("the model is closed; open it again")
        check_feeds(self.inputs, feeds)
        try:
            outputs = session.run(self._output_names, feeds)
        except Exception as error:
            raise EngineError(f"onnxruntime failed: {first_line(error)}") from error
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        self._session = None


def session_options(threads: int | None = None) -> Any:
    """An ``onnxruntime.SessionOptions`` with exact integer arithmetic, no files and no log.

    x86 without VNNI adds pairs of u8 × s8 products in 16 bits, where those of 8-bit weights
    saturate. ``session.x64quantprecision`` computes just these as u8 × u8; weights of 7 bits stay
    as fast as they are (onnxruntime_session_options_config_keys.h). With VNNI sums are exact, and
    ONNX Runtime 1.32 on AMD's takes twice as long with the option.

    Args:
        threads: None leaves the number to ONNX Runtime.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed.
    """
    options = import_onnxruntime().SessionOptions()
    if not sums_exactly(cpu_features()):
        options.add_session_config_entry(_EXACT, "1")
    for key, value in _NO_FILES.items():
        options.add_session_config_entry(key, value)
    options.log_severity_level = 4  # errors are raised; the log would repeat them
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def sums_exactly(features: Collection[str]) -> bool:
    """Whether a processor's integer kernels add products in 32 bits, by its features."""
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(features)


def unoptimised_options(threads: int | None = None) -> Any:
    """`session_options` without graph optimisation: each node runs by itself, none is fused.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed.
    """
    options = session_options(threads)
    options.graph_optimization_level = import_onnxruntime().GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def open_session(model: bytes, options: Any) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU with the options of `session_options`.

    ONNX Runtime 1.32 fails to convert a weight that two nodes share; such a model is opened as it
    is, and is not exact on x86 without VNNI.

    Raises:
        Exception: ONNX Runtime's own; they share no narrower base.
    """
    onnxruntime = import_onnxruntime()
    providers = ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(model, options, providers=providers)
    except Exception as error:
        if "existing tensor" not in str(error):
            raise
        options.add_session_config_entry(_EXACT, "0")
        return onnxruntime.InferenceSession(model, options, providers=providers)


def import_onnxruntime() -> ModuleType:
    """The onnxruntime package, imported without telemetry.

    Version 1.32 writes an identifier of the device into the cache folder and reaches for a
    collector, unless a variable forbids it that is read when the library is loaded. The variable
    is left as it is where somebody has set it.

    Raises:
        EngineUnavailable: it is not installed, or does not load.
    """
    os.environ.setdefault(_NO_TELEMETRY, "1")
    is_imported = "onnxruntime" in sys.modules
    try:
        with contextlib.nullcontext() if is_imported else without_line(DEVICE_DISCOVERY):
            import onnxruntime
    except ModuleNotFoundError as error:
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra) from error
    except (ImportError, OSError) as error:
        reason = f"does not load ({first_line(error)})"
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra, reason) from error
    module: ModuleType = onnxruntime
    return module


def tensor_spec(node: Any) -> TensorSpec:
    """Name, type and shape of an input or output of an ``onnxruntime.InferenceSession``.

    Raises:
        EngineError: its type is none of a manifest's.
    """
    if node.type not in _DTYPES:
        raise EngineError(
            f"tensor {node.name!r} has type {node.type}, which edgecnn does not support"
        )
    shape = tuple(extent if isinstance(extent, int) else None for extent in node.shape)
    return TensorSpec(node.name, _DTYPES[node.type], shape)
