"""LiteRT's interpreter, the operators of a TFLite file, and silence for noisy libraries."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Float32

TO_NHWC = (0, 2, 3, 1)


class LiteRT:
    """A model of one input and one output in LiteRT's interpreter."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with silence():
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def run(self, image: Float32) -> Float32:
        """The output for one image, as it is fed; both in float, whatever the file holds."""
        self.feed(image)
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output["index"])
        return _real(output, self._output["quantization"])

    def feed(self, image: Float32) -> None:
        """Copy the image into the input tensor."""
        scale, zero = self._input["quantization"]
        if scale:
            limits = np.iinfo(self._input["dtype"])
            image = np.clip(np.rint(image / scale) + zero, limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], image.astype(self._input["dtype"]))

    def timer(
        self, image: Float32, *, clock: Callable[[], float] = time.perf_counter, warm_up: int = 5
    ) -> Callable[[], float]:
        """One run in milliseconds of that clock, fed and warmed up before.

        Each sample begins with a run that is not counted: other candidates had the caches.
        """
        self.feed(image)
        invoke = self._interpreter.invoke
        for _ in range(warm_up):
            invoke()

        def time_ms() -> float:
            invoke()
            began = clock()
            invoke()
            return 1e3 * (clock() - began)

        return time_ms


def _real(array: Any, quantisation: tuple[float, int]) -> Float32:
    scale, zero = quantisation
    if not scale:
        return np.asarray(array, np.float32)
    return (np.float32(scale) * (array.astype(np.int32) - zero)).astype(np.float32)


def operators_of(model: bytes) -> Counter[str]:
    """How often each operator stands in a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    read = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    return Counter(
        names[read.operatorCodes[operator.opcodeIndex].builtinCode]
        for graph in read.subgraphs
        for operator in graph.operators
    )


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Silence stdout and stderr, from C++ as well."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
        sys.stdout.flush()
    finally:
        for number, one in enumerate(kept, 1):
            os.dup2(one, number)
            os.close(one)
        os.close(nowhere)


def quiet_import(name: str) -> Any:
    """Import a module silently, without its warnings."""
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
