"""Quantisers of others, each with its own defaults but for what its name says.

`quantize_static` writes QDQ with u8 activations and s8 weights per channel after its own
preprocessing step and is run by ONNX Runtime; NNCF is run by OpenVINO; ai-edge-quantizer gets our
fp32 TFLite file and is run by LiteRT. Importing this module imports none of them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarks.quantise.quantisers import Quantiser, litert_run, onnxruntime_run, openvino_run
from benchmarks.tflite.litert import TO_NHWC, quiet_import, silence
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_runtime.arrays import Float32

Method = Literal["min-max", "percentile"]
# The percentile calibrator keeps every activation of the samples that it is given at a time:
# 64 MB a sample of MobileNetV2, 112 MB of ResNet-50.
STRIDE = 16


def peers(*, per_channel: bool = True) -> tuple[Quantiser, ...]:
    """The others; with one scale for a whole weight only those that have such weights."""
    static = tuple(
        Quantiser(
            f"quantize_static {method}",
            partial(by_onnxruntime, method=method, per_channel=per_channel),
            onnxruntime_run,
            ("onnxruntime.quantization", "sympy"),
            "pip install sympy",
        )
        for method in get_args(Method)
    )
    if not per_channel:
        return static
    nncf = tuple(
        Quantiser(
            f"NNCF {'fast' if is_fast else 'full'} correction",
            partial(by_nncf, is_fast=is_fast),
            openvino_run,
            ("nncf", "openvino"),
            "pip install --target FOLDER nncf, delete numpy*, openvino* and onnx* in FOLDER "
            "and append it to PYTHONPATH",
        )
        for is_fast in (True, False)
    )
    ai_edge = Quantiser(
        "ai-edge-quantizer",
        by_ai_edge,
        litert_run,
        ("ai_edge_quantizer.quantizer", "ai_edge_quantizer.recipe", "ai_edge_litert.interpreter"),
        "pip install --target FOLDER --no-deps ai-edge-quantizer absl-py immutabledict "
        "litert-lm-builder scipy and append it to PYTHONPATH",
    )
    return (*static, *nncf, ai_edge)


def by_onnxruntime(
    model: bytes, samples: Samples, *, per_channel: bool = True, method: Method = "min-max"
) -> bytes:
    """The QDQ model that ONNX Runtime's own tools make.

    `percentile` gets the samples in strides, and adds a histogram up over them: its bins are as
    wide as the first stride's range asks for, and their number grows with later ones.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc] # the package has no types
        def __init__(self) -> None:
            self._all = self._left = iter(samples)

        def __len__(self) -> int:
            # Of whole strides, as quantize_static requires; the last one ends early.
            return -(-len(samples) // STRIDE) * STRIDE

        def set_range(self, start_index: int, end_index: int) -> None:
            self._left = islice(self._all, end_index - start_index)

        def get_next(self) -> dict[str, Float32] | None:
            sample = next(self._left, None)
            return None if sample is None else {"input": sample}

    is_percentile = method == "percentile"
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (f"{folder}/{name}.onnx" for name in ("a", "b", "c"))
        Path(source).write_bytes(model)
        quant_pre_process(source, prepared)
        quantize_static(
            *(prepared, target, Reader()),
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=getattr(
                CalibrationMethod, "Percentile" if is_percentile else "MinMax"
            ),
            # Of every method, whatever its name says.
            extra_options={"CalibStridedMinMax": STRIDE} if is_percentile else {},
        )
        return Path(target).read_bytes()


def by_nncf(model: bytes, samples: Samples, *, is_fast: bool = True) -> Any:
    """The ``openvino.Model`` of NNCF; its default corrects biases fast, from one mean a layer."""
    import nncf
    import openvino

    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(model)
        file.flush()
        # Core.read_model leaves a Reshape before every bias, behind which NNCF 3.4 finds none, and
        # then corrects none, without a word.
        converted = openvino.convert_model(file.name)
    return nncf.quantize(
        converted, nncf.Dataset(samples), subset_size=len(samples), fast_bias_correction=is_fast
    )


def by_ai_edge(model: bytes, samples: Samples) -> bytes:
    """The TFLite file of ai-edge-quantizer, from our fp32 file; integers in and out."""
    import onnx
    import onnx_ir as ir

    from edgecnn_exporters.targets.tflite.write import write_tflite

    file = write_tflite(ir.from_proto(onnx.load_from_string(model)))
    return by_ai_edge_quantizer(file.content, Mapped(lambda x: x.transpose(TO_NHWC), samples))


def by_ai_edge_quantizer(float_model: bytes, inputs: Iterable[Float32]) -> bytes:
    """A float TFLite file in static int8, weights per channel.

    Args:
        inputs: as they are fed; iterated over twice.
    """
    quantizer = quiet_import("ai_edge_quantizer.quantizer")
    recipe = quiet_import("ai_edge_quantizer.recipe")
    with silence():
        work = quantizer.Quantizer(float_model)
        work.load_quantization_recipe(recipe.static_wi8_ai8())
        (name,) = _signature(float_model)
        data = {"serving_default": Mapped(lambda each: {name: each}, inputs)}
        # 16 threads by default, whatever the processor has.
        ranges = work.calibrate(data, num_threads=os.cpu_count() or 1)
        return bytes(work.quantize(ranges).quantized_model)


def _signature(model: bytes) -> list[str]:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=model).get_signature_runner("serving_default")
    return list(runner.get_input_details())


@dataclass(frozen=True)
class Mapped:
    """A function of each value, computed anew every time that it is iterated over."""

    function: Callable[[Any], Any]
    values: Iterable[Any]

    def __iter__(self) -> Iterator[Any]:
        return map(self.function, self.values)
