"""Quantisers as plugs: from a float graph and samples to what classifies; here ours.

All get the same canonical ONNX graph and the same samples. What others' need is in
`benchmarks.quantise.peers`. Importing this module imports no quantiser.
"""

from __future__ import annotations

import importlib.util
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.tflite.litert import TO_NHWC, LiteRT, quiet_import, silence
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine

Classify = Callable[[Float32], Float32]


@dataclass(frozen=True)
class Quantiser:
    """One way from a float network to a classifier in 8 bits.

    Attributes:
        quantise: from ONNX bytes and samples, (1, C, H, W) each, to the quantised model.
        open: from that to a classifier, (n, C, H, W) to logits (n, classes).
        modules: what it imports; that does not count as its time.
        install: how to get them.
    """

    name: str
    quantise: Callable[[bytes, Samples], Any]
    open: Callable[[Any], Classify]
    modules: tuple[str, ...] = ()
    install: str = ""


@dataclass(frozen=True)
class Made:
    """A quantised network with the wall and processor seconds that it took, after imports."""

    name: str
    classify: Classify
    wall_s: float
    cpu_s: float


def available(quantisers: Iterable[Quantiser]) -> tuple[Quantiser, ...]:
    """Those whose modules are installed; prints a line for each package that is not."""
    here, left_out = [], defaultdict(list)
    for each in quantisers:
        if all(is_installed(name) for name in each.modules):
            here.append(each)
        else:
            left_out[each.install].append(each.name)
    for install, names in left_out.items():
        print(f"{', '.join(names)} left out, not installed: {install}", flush=True)
    return tuple(here)


def is_installed(module: str) -> bool:
    """Whether a module can be found; a package on the way to it is imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def make_each(quantisers: Iterable[Quantiser], model: bytes, samples: Samples) -> Iterator[Made]:
    """What every quantiser makes of a model; prints a line for one that fails."""
    for each in quantisers:
        try:
            quantised, wall_s, cpu_s = make(each, model, samples)
        except Exception as error:
            reason = " ".join(str(error).split())
            print(f"{each.name} failed: {type(error).__name__}: {reason}"[:300], flush=True)
            continue
        with silence():
            classify = each.open(quantised)
        yield Made(each.name, classify, wall_s, cpu_s)


def make(quantiser: Quantiser, model: bytes, samples: Samples) -> tuple[Any, float, float]:
    """The quantised model, and the wall and processor seconds that it took, after imports."""
    for module in quantiser.modules:
        quiet_import(module)
    wall, cpu = time.perf_counter(), time.process_time()
    with silence():
        quantised = quantiser.quantise(model, samples)
    return quantised, time.perf_counter() - wall, time.process_time() - cpu


def ours(config: QuantConfig) -> Quantiser:
    """Ours, run by ONNX Runtime."""
    modules = ("edgecnn_exporters.quantise.ladder", "onnx", "torch")
    return Quantiser(
        f"edgecnn {config.recipe}", partial(by_edgecnn, config=config), onnxruntime_run, modules
    )


def by_edgecnn(model: bytes, samples: Samples, *, config: QuantConfig) -> bytes:
    """The QDQ model of our ladder."""
    import onnx
    import onnx_ir as ir

    from edgecnn_exporters.quantise.ladder import quantise

    quantised = quantise(ir.from_proto(onnx.load_from_string(model)), samples, config)
    return ir.to_proto(quantised.model).SerializeToString()


def onnxruntime_run(model: bytes) -> Classify:
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return lambda batch: next(iter(engine.run({spec.name: batch}).values()))


def openvino_run(model: Any) -> Classify:
    """Computed in float32 where it is not int8; else OpenVINO takes bfloat16 by default."""
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    return lambda batch: np.array(compiled(batch)[0])


def litert_run(model: bytes) -> Classify:
    """One image at a time, for the file's batch is fixed; images channels last."""
    engine = LiteRT(model)
    return lambda batch: np.concatenate([engine.run(one[None].transpose(TO_NHWC)) for one in batch])
