"""What a person may name as MODEL, and what stands behind it.

A zoo name, ``package.module:factory`` for a network of one's own, or an ``.onnx`` file.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.checkpoint import load_checkpoint, read_checkpoint
from edgecnn.errors import ModelUnusable, UnknownModel, WeightsMissing
from edgecnn.zoo import ARCHITECTURES, Architecture
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.manifest import Preprocess

if TYPE_CHECKING:
    from torch import nn

RANDOM = "random"


@dataclass(frozen=True)
class Network:
    """A PyTorch network ready to be exported.

    Attributes:
        name: short name, for the bundle.
        shape: (channels, height, width) of its input.
        source: where structure and weights came from, for the provenance.
        notes: what a person should know of how it was loaded.
    """

    module: nn.Module
    name: str
    shape: tuple[int, int, int]
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None
    source: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkOptions:
    """What a person may say of MODEL beside its name."""

    weights: str | None = None
    shape: tuple[int, int, int] | None = None
    width: float | None = None
    classes: int | None = None
    quiet: bool = False
    search: tuple[Path, ...] = field(default_factory=lambda: (Path.cwd(),))


def is_onnx(model: str) -> bool:
    """Whether MODEL names an ONNX file."""
    return model.endswith(".onnx")


def find_architecture(model: str) -> Architecture:
    """The zoo's network of that name.

    Raises:
        UnknownModel: there is none; offers the nearest names.
    """
    if model in ARCHITECTURES:
        return ARCHITECTURES[model]
    near = difflib.get_close_matches(model.lower().replace("-", "_"), ARCHITECTURES, 3, 0.4)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(ARCHITECTURES)}"
    raise UnknownModel(
        f"no model is called {model!r}; {offer} "
        "A network of your own is package.module:factory, a file ends in .onnx"
    )


def build_network(model: str, options: NetworkOptions) -> Network:
    """The PyTorch network that MODEL names, with its weights, in evaluation mode.

    Raises:
        UnknownModel: no zoo name, and no ``package.module:factory``.
        WeightsMissing: a zoo network without published weights, and none given.
        ModelUnusable: the factory cannot be imported, fails, or returns no network.
        CheckpointUnreadable, CheckpointMismatch: as `edgecnn.checkpoint` says.
        FetchError: published weights cannot be had.
    """
    if ":" in model:
        return _from_factory(model, options)
    return _from_zoo(find_architecture(model), options)


def _from_zoo(architecture: Architecture, options: NetworkOptions) -> Network:
    if options.width is not None and not architecture.has_width:
        raise ModelUnusable(f"{architecture.name} has no width multiplier; leave out --width")
    weights = options.weights or next(iter(architecture.weights), None)
    if weights is None:
        raise WeightsMissing(
            f"{architecture.name} has no published weights; "
            "pass --weights FILE with your own, or --weights random to try it untrained"
        )
    classes = options.classes or architecture.classes
    is_published_form = options.width in (None, 1.0) and classes == architecture.classes
    if options.weights is None and not is_published_form:
        raise WeightsMissing(
            f"the published weights of {architecture.name} are for width 1 and "
            f"{architecture.classes} classes; pass --weights FILE with your own, or random"
        )
    module = architecture.build(classes=classes, width=options.width)
    has_labels = classes == architecture.classes
    loaded, notes = _load(module, weights, architecture, options.quiet)
    return Network(
        module=module,
        name=architecture.name,
        shape=options.shape or architecture.input,
        preprocess=architecture.preprocess,
        labels=architecture.class_labels() if has_labels else None,
        source={"architecture": architecture.name} | loaded,
        notes=notes,
    )


def _from_factory(model: str, options: NetworkOptions) -> Network:
    from torch import nn

    module_name, _, attribute = model.partition(":")
    if options.shape is None:
        raise ModelUnusable(f"{model} needs the shape of its input: --input 1x3x224x224")
    try:
        sys.path[:0] = map(str, options.search)  # a script's own folder is not on the path of ours
        found = getattr(importlib.import_module(module_name), attribute)
        network = found() if callable(found) and not isinstance(found, nn.Module) else found
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ModelUnusable(f"{model} cannot be built: {reason}") from error
    finally:
        del sys.path[: len(options.search)]
    if not isinstance(network, nn.Module):
        raise ModelUnusable(
            f"{model} returned {type(network).__name__}, expected a torch.nn.Module"
        )
    network = network.eval().float().cpu()
    loaded, notes = _load(network, options.weights or "as built", None, options.quiet)
    return Network(
        module=network,
        name=attribute,
        shape=options.shape,
        preprocess=None,
        labels=None,
        source={"factory": model} | loaded,
        notes=notes,
    )


def _load(
    module: nn.Module, weights: str, architecture: Architecture | None, quiet: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Load the weights that a person named; what they are, and what to say about them."""
    if weights == "as built":
        return {"weights": weights}, ()
    if weights == RANDOM:
        return {"weights": RANDOM}, ("random weights: the network is untrained",)
    path = Path(weights)
    if architecture and weights in architecture.weights:
        from edgecnn.fetch import fetch

        path = fetch(architecture.weights[weights], quiet=quiet)
    elif not path.suffix:
        published = ", ".join(architecture.weights) if architecture else ""
        raise WeightsMissing(
            f"no weights are called {weights!r}; "
            f"{f'published: {published}; ' if published else ''}or pass a file (.safetensors, .pth)"
        )
    checkpoint = load_checkpoint(module, read_checkpoint(path), path.name)
    notes = (
        (f"{path.name}: weights taken from {' → '.join(checkpoint.unwrapped)}",)
        if checkpoint.unwrapped
        else ()
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"weights": weights, "weights_sha256": digest}, notes
