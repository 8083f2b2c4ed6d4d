"""Real networks to plant faults in: shipped checkpoints, and a small one for what these lack.

Every batch normalisation has the statistics of images: noise or an untrained layer would hide the
effect of a fault.
"""

from __future__ import annotations

import copy
import io
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
import onnx_ir as ir
import torch
from torch import nn

from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_batch
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig, QuantRecipe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

PICTURES = 3
CALIBRATION = 32


@dataclass(frozen=True)
class Built:
    """A network and its float graph.

    Attributes:
        feeds: pictures, as the network reads them.
    """

    module: nn.Module
    model: ir.Model
    feeds: dict[str, np.ndarray]
    preprocess: Preprocess | None
    shape: tuple[int, int, int]

    def pictures(self, count: int) -> np.ndarray:
        spec = TensorSpec("input", "float32", (None, *self.shape))
        return example_batch(spec, self.preprocess, count)


class Segmenter(nn.Module):
    """Down and up again: strided sums, padded averages, bilinear resizing, a branch that joins."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.stem = self._block(3, 16, 2)
        self.smooth = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.down = self._block(16, 32, 2)
        self.middle = activation
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.fuse = nn.Sequential(nn.Conv2d(48, 16, 3, 1, 1), activation)
        self.leaky = nn.LeakyReLU(0.1)
        self.head = nn.Conv2d(16, 4, 1)

    def _block(self, inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.smooth(self.stem(x))
        coarse = self.up(self.middle(self.down(fine)))
        return self.head(self.leaky(self.fuse(torch.cat([fine, coarse], 1))))


@cache
def shipped(name: str, data: str = "cifar10") -> Built:
    """A shipped checkpoint."""
    network = build_network(resolve(name), NetworkOptions(data, quiet=True))
    return _built(network.module, network.shape, network.preprocess)


@cache
def segmenter(activation: type[nn.Module] = nn.SiLU) -> Built:
    """The network for resizing and padded averages, its statistics from pictures."""
    torch.manual_seed(3)
    module, shape = Segmenter(activation()), (3, 32, 32)
    spec = TensorSpec("input", "float32", (None, *shape))
    images = torch.from_numpy(example_batch(spec, None, CALIBRATION))
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.normal_(layer.bias, 0.5, 1.0)
            layer.momentum = None
    with torch.no_grad():
        module.train()(images)
    return _built(module.eval(), shape, None)


@cache
def unbalanced() -> Built:
    """MobileNetV1 with a depthwise layer one channel of which is much larger than the others.

    Its input is 30 times smaller and its weight 30 times larger: with a Relu between, the network
    is the same. Trained networks become so where batch normalisation amplifies a channel that is
    almost zero (Nagel et al. 2019, figure 2); the shipped ones are too small for that.
    """
    base = shipped("mobilenet_v1")
    module = copy.deepcopy(base.module)
    norm = module.features[0][1]  # type: ignore[index]
    depthwise = module.features[1].depthwise[0]  # type: ignore[index, union-attr]
    with torch.no_grad():
        norm.weight[3] /= 30
        norm.bias[3] /= 30
        depthwise.weight[3] *= 30
    return _built(module, base.shape, base.preprocess)


def to_onnx(module: nn.Module, shape: tuple[int, int, int]) -> ir.Model:
    """The canonical graph of a network."""
    stream = io.BytesIO()
    names = ["input", "logits"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own advice
        torch.onnx.export(
            module,
            (torch.zeros(2, *shape),),
            stream,
            dynamo=False,
            opset_version=18,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "N"} for name in names},
        )
    model = ir.from_proto(onnx.load_from_string(stream.getvalue()))
    canonicalise(model)
    return model


def _built(module: nn.Module, shape: tuple[int, int, int], prepare: Preprocess | None) -> Built:
    spec = TensorSpec("input", "float32", (None, *shape))
    feeds = {"input": example_batch(spec, prepare, PICTURES)}
    return Built(module, to_onnx(module, shape), feeds, prepare, shape)


_QUANTISED: dict[tuple[int, int], ir.Model] = {}


def quantised(built: Built, weight_bits: int = 8) -> ir.Model:
    """The QDQ graph of a network, calibrated on pictures."""
    key = (id(built), weight_bits)
    if key not in _QUANTISED:
        samples = np.split(built.pictures(CALIBRATION), CALIBRATION)
        # Equalising would undo what is unbalanced.
        recipe: QuantRecipe = "fast" if built is unbalanced() else "balanced"
        config = QuantConfig(recipe=recipe, weight_bits=weight_bits)
        _QUANTISED[key] = quantise(built.model, samples, config).model
    return _QUANTISED[key]


_TFLITE: dict[tuple[int, str], bytes] = {}


def tflite(built: Built, precision: str) -> bytes:
    """The TFLite file of a network, "fp32" or "int8"."""
    if (id(built), precision) not in _TFLITE:
        model = built.model if precision == "fp32" else quantised(built)
        options = TfliteOptions(precision=precision)  # type: ignore[arg-type]
        _TFLITE[id(built), precision] = write_tflite(model, options).content
    return _TFLITE[id(built), precision]
