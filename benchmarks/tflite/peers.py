"""Shared by the TFLite benchmarks: the peers' files, and LiteRT to run them.

litert-torch and ai-edge-quantizer are no dependencies of edgecnn: ``pip install litert-torch
ai-edge-quantizer 'edgecnn[all]'`` in an environment of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from edgecnn.model.build import Network, NetworkOptions, build_network
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_images
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.image.preprocess import preprocess

FIVE = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "resnet50")
PEERS = ("litert_torch", "ai_edge_quantizer")
TO_NHWC = (0, 2, 3, 1)


def require_peers() -> None:
    """End the process where a peer is missing, with a message how to install it."""
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed; see the head of {__file__}")


def network_and_images(name: str, count: int) -> tuple[Network, list[Float32]]:
    """The full-size network, and photographs as its inputs, (1, C, H, W) each.

    Random weights do not change speed. Every BatchNorm has weights of chance and the statistics of
    the photographs, so that activations have ranges as a trained network's.
    """
    network = build_network(resolve(name), NetworkOptions("random", quiet=True))
    assert network.preprocess is not None
    samples = [preprocess(image, network.preprocess) for image in example_images(count)]
    torch.manual_seed(1)
    for layer in network.module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            layer.momentum = None
    with torch.no_grad():
        network.module.train()(torch.from_numpy(np.concatenate(samples)))
    network.module.eval()
    return network, samples


def by_litert_torch(module: nn.Module, shape: Sequence[int], *, channels_last: bool) -> bytes:
    """The peer's file for one input (C, H, W); images channels last on request."""
    litert_torch = quiet_import("litert_torch")
    sizes = (1, shape[1], shape[2], shape[0]) if channels_last else (1, *shape)
    if channels_last:
        module = litert_torch.to_channel_last_io(module, args=[0])
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(litert_torch.convert(module, (torch.zeros(sizes),)).model_content())


def by_ai_edge_quantizer(float_model: bytes, inputs: Sequence[Float32]) -> bytes:
    """The peer's static int8, weights per channel, from the same images as they are fed."""
    quantizer = quiet_import("ai_edge_quantizer.quantizer")
    recipe = quiet_import("ai_edge_quantizer.recipe")
    with silence():
        work = quantizer.Quantizer(float_model)
        work.load_quantization_recipe(recipe.static_wi8_ai8())
        (name,) = _signature(float_model)
        ranges = work.calibrate(
            {"serving_default": [{name: each} for each in inputs]}, num_threads=1
        )
        return bytes(work.quantize(ranges).quantized_model)


def quiet_import(name: str) -> Any:
    """Import a module silently, without its warnings."""
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _signature(model: bytes) -> list[str]:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=model).get_signature_runner("serving_default")
    return list(runner.get_input_details())


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
