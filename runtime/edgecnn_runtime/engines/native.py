"""Engine ``native``: plans of 8-bit networks, run by the C library of edgecnn-native."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines import is_importable, refuse_weights
from edgecnn_runtime.engines.feeds import check_feeds
from edgecnn_runtime.engines.once import once
from edgecnn_runtime.engines.plan_work import usual_threads
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError, EngineUnavailable, first_line
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edgecnn_native import Model, Tensor

_ENTRY = ENGINES["native"]
(_PACKAGE,) = _ENTRY.packages
# Of Linux, macOS and Windows. In a clone the package may be without its library.
_LIBRARIES = ("libedgecnn_native.so", "libedgecnn_native.dylib", "edgecnn_native.dll")


class NativeEngine:
    """A plan and the memory that it runs in; arrays are read where they lie.

    Without `threads` it takes as many as its arithmetic pays for (`usual_threads`).
    """

    name: ClassVar[str] = _ENTRY.name
    formats: ClassVar[frozenset[str]] = _ENTRY.formats
    extra: ClassVar[str | None] = _ENTRY.extra

    def __init__(self, model: Model) -> None:
        self.inputs = tuple(map(_tensor_spec, model.inputs))
        self.outputs = tuple(map(_tensor_spec, model.outputs))
        self._input_names = [spec.name for spec in self.inputs]
        self._output_names = [spec.name for spec in self.outputs]
        self._model: Model | None = model

    @classmethod
    def is_installed(cls) -> bool:
        spec = find_spec(_PACKAGE.module) if is_importable(_PACKAGE.module) else None
        folders = (spec and spec.submodule_search_locations) or ()
        return any(Path(folder, name).is_file() for folder in folders for name in _LIBRARIES)

    @classmethod
    def version(cls) -> str:
        return str(_native().version())

    @classmethod
    def open(
        cls, model: bytes, *, weights: bytes | None = None, threads: int | None = None
    ) -> Self:
        refuse_weights(cls.name, weights)
        native = _native()
        try:
            return cls(native.Model(model, threads=threads or usual_threads(model)))
        except native.NativeError as error:
            raise EngineError(f"native refuses the model: {error}") from error

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        model = self._model
        if model is None:
            raise EngineError("the model is closed; open it again")
        check_feeds(self.inputs, feeds)
        try:
            outputs = model.run([feeds[name] for name in self._input_names])
        except _native().NativeError as error:
            raise EngineError(f"native failed: {error}") from error
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            model.close()


@once
def _native() -> Any:
    """The package edgecnn_native, whose library loads here.

    Raises:
        EngineUnavailable: it is not installed, or its library does not load.
    """
    try:
        import edgecnn_native
    except ModuleNotFoundError as error:
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra) from error
    if not NativeEngine.is_installed():
        reason = f"has no library for this machine in {edgecnn_native.LIBRARY.parent}"
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra, reason)
    try:
        edgecnn_native.version()
    except edgecnn_native.NativeError as error:
        reason = f"does not work ({first_line(error)})"
        raise EngineUnavailable(_ENTRY.name, _ENTRY.extra, reason) from error
    return edgecnn_native


def _tensor_spec(tensor: Tensor) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.dtype, (None, *tensor.shape))
