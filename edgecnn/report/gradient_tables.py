"""Tables of ``edgecnn zoo NAME --gradient``: facts of a layer's gradient, and layers to choose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgecnn.console import table
from edgecnn.documents.gradient import (
    GradientDocument,
    GradientLayersDocument,
    LayerFields,
    LossFields,
)
from edgecnn.report.blocks import Block, Labelled
from edgecnn.text_table import TextTable

FORMULAS = {
    "X": "input",
    "F": "kernel",
    "dL/dY": "output gradient, from the layers after it",
}
OF_CONVOLUTION = {
    "dL/dX": "full convolution of dL/dY with F",
    "dL/dF": "X correlated with dL/dY",
    "dL/db": "sum of dL/dY",
}
OF_POOLING = {
    "max pooling": {"dL/dX": "dL/dY, to the largest of each window alone"},
    "average pooling": {"dL/dX": "dL/dY, in equal shares"},
}


def gradient_blocks(gradient: GradientDocument) -> list[Block]:
    """Layer, image and loss of a gradient, and one row a tensor."""
    return [Labelled(tuple(_facts(gradient)), 10), "", _tensor_table(gradient)]


def _facts(gradient: GradientDocument) -> Iterator[tuple[str, str]]:
    yield "network", f"{network_words(gradient)}, {weights_words(gradient)}"
    yield "layer", f"{gradient.layer.layer}: {layer_words(gradient.layer)}"
    yield "image", Path(gradient.image).name
    yield "loss", loss_words(gradient.loss)
    yield "drawn", drawn_words(gradient)


def network_words(gradient: GradientDocument) -> str:
    """``mobilenet_v2 (width 0.25)``; the number of classes is no matter here."""
    form = ", ".join(
        f"{name} {value}" for name, value in gradient.form.items() if name != "classes"
    )
    return f"{gradient.network} ({form})" if form else gradient.network


def weights_words(gradient: GradientDocument) -> str:
    """Weights of the network in words."""
    if gradient.weights == "random":
        return "untrained: random weights"
    if gradient.weights == gradient.network:
        return "its own weights"
    return f"weights {gradient.weights}"


def layer_words(layer: LayerFields) -> str:
    """``3×3 convolution, 16 → 32 channels, stride 2, padding 1``: what is not the default."""
    kernel = f"{layer.kernel[0]}×{layer.kernel[1]} " if layer.kernel else "adaptive "
    words = [f"{kernel}{layer.kind}"]
    if layer.channels is not None:
        words.append(f"{layer.channels[0]} → {layer.channels[1]} channels")
    words += [
        f"{name} {_short(value)}"
        for name, value, default in (
            ("stride", layer.stride, 1),
            ("padding", layer.padding, 0),
            ("dilation", layer.dilation, 1),
        )
        if value is not None and set(value) != {default}
    ]
    if layer.groups not in (None, 1):
        is_depthwise = layer.channels is not None and layer.groups == layer.channels[0]
        words.append(f"{layer.groups} groups{' (depthwise)' if is_depthwise else ''}")
    return ", ".join(words)


def loss_words(loss: LossFields) -> str:
    """The loss, its class and probability."""
    name = f"class {loss.target}" if loss.label is None else f"{loss.label!r}"
    return (
        f"cross-entropy against the predicted class {name.removeprefix('class ')}, "
        f"p = {loss.probability:.3g}: L = {loss.value:.3g}"
    )


def drawn_words(gradient: GradientDocument) -> str:
    """The channels that are drawn, and why these."""
    if gradient.layer.kind == "convolution":
        return (
            f"input channel c = {gradient.input_channel}, output channel "
            f"o = {gradient.output_channel}: those of the largest dL/dF"
        )
    return f"channel c = {gradient.input_channel}: the one of the largest Y · dL/dY"


def _tensor_table(gradient: GradientDocument) -> TextTable:
    words = FORMULAS | (OF_POOLING.get(gradient.layer.kind) or OF_CONVOLUTION)
    shown = table(("tensor", "shape", "norm", "is"), right=("shape", "norm"), wrap=("is",))
    for tensor in gradient.tensors:
        shape = "×".join(map(str, tensor.shape))
        shown.add_row(tensor.tensor, shape, f"{tensor.norm:.3g}", words[tensor.tensor])
    return shown


def layer_blocks(document: GradientLayersDocument) -> list[Block]:
    """One row a layer."""
    shown = table(
        ("layer", "kind", "channels", "kernel", "stride", "padding", "dilation", "groups"),
        drop=("dilation", "groups", "padding"),
        is_dense=True,
    )
    for layer in document.layers:
        shown.add_row(
            layer.layer,
            layer.kind,
            "" if layer.channels is None else f"{layer.channels[0]} → {layer.channels[1]}",
            "adaptive" if layer.kernel is None else f"{layer.kernel[0]}×{layer.kernel[1]}",
            *(
                "" if each is None else _short(each)
                for each in (layer.stride, layer.padding, layer.dilation)
            ),
            "" if layer.groups is None else str(layer.groups),
        )
    return [shown]


def _short(values: tuple[int, ...]) -> str:
    """One number where all are equal."""
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))
