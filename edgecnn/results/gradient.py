"""`edgecnn zoo NAME --gradient LAYER`: a layer's gradient for one image, drawn, and its layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.documents.gradient import (
    GradientDocument,
    GradientLayersDocument,
    LossFields,
    TensorFields,
    layer_fields,
)
from edgecnn.model.resolve import ModelSource, OnnxFile, ZooNetwork
from edgecnn.model.weights import RANDOM, shipped
from edgecnn.results.result import Result
from edgecnn.zoo import Form

if TYPE_CHECKING:
    from edgecnn.backpropagation.gradient import LayerGradient
    from edgecnn.model.network import Network
    from edgecnn.report.blocks import Block
    from edgecnn_runtime.arrays import Float32
    from edgecnn_runtime.manifest import Preprocess

# Of edgecnn's photographs.
PHOTOGRAPH = "cat"
SEED = 0


@dataclass(frozen=True)
class GradientOptions:
    """Options of ``edgecnn zoo NAME --gradient LAYER``.

    Attributes:
        image: path; None for a photograph of edgecnn's.
        weights: as `edgecnn export` takes them; None for the shipped ones, without such random.
        shape: (channels, height, width) of the input; None is the network's own.
    """

    image: str | None = None
    weights: str | None = None
    form: Form = field(default_factory=Form)
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class GradientResult(GradientDocument, Result):
    """Result of ``edgecnn zoo NAME --gradient LAYER``: facts of what was drawn."""

    SCHEMA: ClassVar[str] = "edgecnn.gradient/1"

    def blocks(self) -> list[Block]:
        from edgecnn.report.gradient_tables import gradient_blocks

        return gradient_blocks(self)

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(tensor) for tensor in self.tensors]


@dataclass(frozen=True)
class GradientLayersResult(GradientLayersDocument, Result):
    """Result of ``edgecnn zoo NAME --gradient list``: layers whose gradient can be drawn."""

    SCHEMA: ClassVar[str] = "edgecnn.gradient-layers/1"

    def blocks(self) -> list[Block]:
        from edgecnn.report.gradient_tables import layer_blocks

        return layer_blocks(self)

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(layer) for layer in self.layers]


def list_layers(source: ModelSource, options: GradientOptions) -> GradientLayersResult:
    """The convolutions and poolings of a network.

    Raises:
        ModelUnusable: an ONNX file, or a form that the network has not.
        LayerUnusable: a convolution that pads with anything but zeros.
    """
    from edgecnn.backpropagation.layers import find_layers

    layers = find_layers(_build(source, options).module)
    return GradientLayersResult(
        source.typed, tuple(layer_fields(name, layer) for name, layer in layers.items())
    )


def draw_gradient(
    source: ModelSource, layer_name: str, plot: Path, options: GradientOptions
) -> GradientResult:
    """Draw the gradient of a layer for one image into a file.

    Raises:
        LayerUnusable: as `edgecnn.backpropagation.layers` and `record` say.
        ModelUnusable, WeightsMissing: as `build_network` says.
        ImageError: the image cannot be read.
        OutputNotWritable: the file cannot be written.
    """
    from edgecnn.backpropagation.gradient import differentiate
    from edgecnn.backpropagation.layers import find_layer
    from edgecnn.backpropagation.record import record_layer
    from edgecnn.report.plots.gradient import draw

    network = _build(source, options)
    layer = find_layer(network.module, layer_name, source.typed)
    image = _prepare(network, options.image)
    run = record_layer(network.module, layer, layer_name, image)
    gradient = differentiate(layer, layer_name, run)
    labels = network.labels
    known = labels is not None and run.loss.target < len(labels)
    label = labels[run.loss.target] if labels is not None and known else None
    result = GradientResult(
        network=source.typed,
        form={} if network.form is None else network.form.given(),
        weights=network.source["weights"],
        image=options.image or PHOTOGRAPH,
        loss=LossFields(run.loss.target, label, run.loss.probability, run.loss.value),
        layer=layer_fields(layer_name, layer),
        **_channels(gradient),
        tensors=_tensors(gradient),
        plot=str(plot),
    )
    draw(gradient, result, plot)
    return result


def _build(source: ModelSource, options: GradientOptions) -> Network:
    """The network with trained weights where the zoo ships them, else with seeded random ones."""
    import torch

    from edgecnn.errors import ModelUnusable
    from edgecnn.model.build import build_network
    from edgecnn.model.network import NetworkOptions
    from edgecnn.model.settle import settle

    if isinstance(source, OnnxFile):
        raise ModelUnusable(
            f"{source.typed}: edgecnn zoo differentiates PyTorch networks, not .onnx files"
        )
    weights = options.weights
    if weights is None and isinstance(source, ZooNetwork):
        # A form of one's own has no shipped weights.
        names = [] if options.form.given() else [*shipped(source.name)]
        weights = names[0] if names else RANDOM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = build_network(
            source, NetworkOptions(weights, options.shape, options.form, quiet=True)
        )
        if isinstance(source, ZooNetwork) and network.source["weights"] == RANDOM:
            settle(network.module, network.shape, _preprocess(network))
    return network


def _prepare(network: Network, image: str | None) -> Float32:
    """The network's input (1, C, H, W) from an image file, or a photograph of edgecnn's."""
    from edgecnn_exporters.capture.examples import photograph
    from edgecnn_runtime.image.load import load_image
    from edgecnn_runtime.image.preprocess import preprocess

    pixels = photograph(PHOTOGRAPH) if image is None else load_image(image)
    return preprocess(pixels, _preprocess(network))


def _preprocess(network: Network) -> Preprocess:
    """The network's own preprocessing at its input's size; -1…1 where it has none."""
    from edgecnn.errors import ModelUnusable
    from edgecnn.model.preprocessing import at_resolution, choose_preprocess

    if network.preprocess is not None:
        return at_resolution(network.preprocess, *network.shape[1:])
    if network.shape[0] not in (1, 3):
        raise ModelUnusable(
            f"{network.name} reads {network.shape[0]} channels, expected the 1 or 3 of an image; "
            "--gradient takes networks of images"
        )
    chosen = choose_preprocess("signed", network.shape)
    assert chosen is not None
    return chosen


def _channels(gradient: LayerGradient) -> dict[str, int]:
    from edgecnn.backpropagation.gradient import PoolingGradient

    if isinstance(gradient, PoolingGradient):
        return {"input_channel": gradient.channel, "output_channel": gradient.channel}
    return {
        "input_channel": gradient.input_channel,
        "output_channel": gradient.output_channel,
    }


def _tensors(gradient: LayerGradient) -> tuple[TensorFields, ...]:
    """Shapes and norms, over all channels."""
    import numpy as np

    from edgecnn.backpropagation.gradient import ConvolutionGradient

    arrays = {"X": gradient.input}
    if isinstance(gradient, ConvolutionGradient):
        arrays["F"] = gradient.kernels
    arrays |= {"dL/dY": gradient.output_gradient, "dL/dX": gradient.input_gradient}
    if isinstance(gradient, ConvolutionGradient):
        arrays["dL/dF"] = gradient.kernel_gradient
        if gradient.bias_gradient is not None:
            arrays["dL/db"] = gradient.bias_gradient
    return tuple(
        TensorFields(name, array.shape, float(np.linalg.norm(array)))
        for name, array in arrays.items()
    )
