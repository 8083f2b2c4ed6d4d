"""int8 against float on every shipped checkpoint, beside ONNX Runtime's and NNCF's quantisers.

Usage: python -m benchmarks.quantise.accuracy [--recipe best] [--images 10000] [--per-tensor]
                                               [--batch-norm] [NETWORK-DATA …]

All quantise the same float graph with the same 128 training images, and classify the same test
images: ours and ONNX Runtime's `quantize_static` (QDQ, u8 activations, s8 weights per channel,
min-max, after its own preprocessing step) in ONNX Runtime, NNCF's `quantize` (fast bias correction,
its default) in OpenVINO. NNCF is left out where it is not installed. With --batch-norm ours sees no
training image: batch normalisation tells the ranges, and edgecnn's photographs judge; checkpoints
without batch normalisation are left out. NNCF has no --per-tensor.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.interleave import keep
from edgecnn.data import load
from edgecnn.export.calibration import CalibrationSamples, open_calibration
from edgecnn.model.build import NetworkOptions, build_network
from edgecnn.model.description import Description, read_description
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.norm_statistics import norm_statistics, note_moments
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.passes.moments import noted
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import TensorSpec
from edgecnn_runtime.parity.difference import difference

Classify = Callable[[Float32], Float32]
WEIGHTS = Path(__file__).parents[2] / "weights/edgecnn_weights"
CALIBRATE, BATCH = 128, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--recipe", default="best", choices=("fast", "balanced", "best"))
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--per-tensor", action="store_true")
    parser.add_argument("--batch-norm", action="store_true")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
    print(
        f"{'network':<28}{'quantiser':<22}{'top-1':>8}{'drop':>7}{'agrees':>8}{'SQNR':>9}{'s':>7}"
    )
    for name in names:
        config = QuantConfig(options.recipe, per_channel=not options.per_tensor)
        measure(name, config, options.images, is_data_free=options.batch_norm)


def measure(name: str, config: QuantConfig, count: int, *, is_data_free: bool = False) -> None:
    """Quantise one checkpoint with every quantiser, and print and keep the results."""
    path = WEIGHTS / f"{name}.safetensors"
    description = read_description(path)
    assert description is not None
    model = float_graph(path)
    if is_data_free and not any(noted(output) for node in model.graph for output in node.outputs):
        return
    samples = [prepared(image, description) for image in pick(description.data)]
    images, labels = load(description.data, "test", quiet=True)
    images, labels = images[:count], labels[:count]
    inputs = [
        np.concatenate([prepared(image, description) for image in images[i : i + BATCH]])
        for i in range(0, len(images), BATCH)
    ]
    float_run = onnxruntime_run(to_bytes(model))
    expected = np.concatenate([float_run(batch) for batch in inputs])
    right = expected.argmax(1) == labels
    print(f"{name:<28}{'float':<22}{right.mean():>8.2%}", flush=True)
    own = by_batch_norm(description) if is_data_free else None
    for quantiser, run, seconds in quantised(model, samples, config, own):
        actual = np.concatenate([run(batch) for batch in inputs])
        far = difference([(expected, actual)])
        top1 = float((actual.argmax(1) == labels).mean())
        drop = 100 * (float(right.mean()) - top1)
        print(
            f"{'':<28}{quantiser:<22}{top1:>8.2%}{drop:>+7.2f}{far.top1_agreement:>8.2%}"
            f"{far.sqnr_db:>6.1f} dB{seconds:>7.1f}",
            flush=True,
        )
        row = {"network": name, "quantiser": quantiser, "images": len(labels), "top1": top1}
        row |= {
            "per_channel": config.per_channel,
            "float_top1": float(right.mean()),
            "agreement": far.top1_agreement,
        }
        keep("quantise/accuracy", row | {"sqnr_db": far.sqnr_db, "seconds": seconds})


def float_graph(path: Path) -> ir.Model:
    """The checkpoint's canonical ONNX graph, as `edgecnn export` makes it."""
    network = build_network(resolve(str(path)), NetworkOptions(quiet=True))
    feeds = [np.zeros((size, *network.shape), np.float32) for size in (2, 3)]
    model = capture(network.module, run_module(network.module, feeds), batch=None, opset=18).model
    canonicalise(model)
    note_moments(model, norm_statistics(network.module, feeds[0]))
    return model


def by_batch_norm(description: Description) -> CalibrationSamples:
    """Samples that judge `--calibrate batch-norm`, and the range of the network's input."""
    spec = TensorSpec("input", "float32", (None, *description.input))
    return open_calibration("batch-norm", spec, description.preprocess, 0)


def pick(data: str) -> Float32:
    """The training images that all quantisers calibrate with."""
    images, _ = load(data, "train", quiet=True)
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:CALIBRATE])]


def prepared(image: Any, description: Description) -> Float32:
    """(1, C, H, W), as the network reads it."""
    colour = image.repeat(3, axis=-1) if image.shape[-1] == 1 else image
    return preprocess(colour, description.preprocess)


def quantised(
    model: ir.Model,
    samples: list[Float32],
    config: QuantConfig,
    own: CalibrationSamples | None = None,
) -> Iterator[tuple[str, Classify, float]]:
    """Name, classifier and seconds of every quantiser."""
    began = time.perf_counter()
    if own is None:
        quantised_model, label = quantise(model, samples, config), f"edgecnn {config.recipe}"
    else:
        quantised_model = quantise(model, own.samples, config, inputs=own.inputs)
        label = f"edgecnn {config.recipe}, no data"
    took = time.perf_counter() - began
    yield label, onnxruntime_run(to_bytes(quantised_model.model)), took
    began = time.perf_counter()
    peer = by_onnxruntime(to_bytes(model), samples, per_channel=config.per_channel)
    yield "quantize_static", onnxruntime_run(peer), time.perf_counter() - began
    has_nncf = importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino")
    if has_nncf and config.per_channel:
        began = time.perf_counter()
        run = by_nncf(to_bytes(model), samples)
        yield "NNCF", run, time.perf_counter() - began


def by_onnxruntime(model: bytes, samples: Iterable[Float32], *, per_channel: bool = True) -> bytes:
    """The QDQ model that ONNX Runtime's own tools make."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc] # the package has no types
        def __init__(self) -> None:
            self._left = iter(samples)

        def get_next(self) -> dict[str, Float32] | None:
            sample = next(self._left, None)
            return None if sample is None else {"input": sample}

    with tempfile.TemporaryDirectory() as folder:
        source, prepared_, target = (f"{folder}/{name}.onnx" for name in ("a", "b", "c"))
        Path(source).write_bytes(model)
        quant_pre_process(source, prepared_)
        quantize_static(
            *(prepared_, target, Reader()),
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return Path(target).read_bytes()


def by_nncf(model: bytes, samples: list[Float32]) -> Classify:
    """NNCF's defaults, run by OpenVINO in float32 where it is not int8."""
    import nncf
    import openvino

    core = openvino.Core()
    read = core.read_model(model)
    quantised_model = nncf.quantize(read, nncf.Dataset(samples), subset_size=len(samples))
    compiled = core.compile_model(quantised_model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: np.asarray(compiled(batch)[0])


def onnxruntime_run(model: bytes) -> Classify:
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return lambda batch: next(iter(engine.run({spec.name: batch}).values()))


if __name__ == "__main__":
    main()
