"""PyTorch networks built from a resolved MODEL, with their weights loaded."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, assert_never

from edgecnn.errors import CheckpointMismatch, ModelUnusable, WeightsMissing
from edgecnn.model.loading import load_own, load_weights, refuse_larger, untrained
from edgecnn.model.resolve import Checkpoint, Factory, LiveModule, TorchSource, ZooNetwork
from edgecnn.model.weights import RANDOM, Weights, default_weights, find_weights, shipped
from edgecnn.zoo import Architecture, Form
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.manifest import Preprocess

if TYPE_CHECKING:
    from torch import nn

    from edgecnn_exporters.quantise.trained import TrainedNumbers


@dataclass(frozen=True)
class Network:
    """A PyTorch network ready to be exported.

    Attributes:
        name: short name, for the bundle.
        shape: (channels, height, width) of its input.
        source: where structure and weights came from, for the provenance.
        notes: remarks on how it was loaded, for the user.
        data: name or folder of what it was trained on, where the weights say so.
        form: of a network of the zoo.
        trained: numbers of its 8-bit form, where it was trained in 8 bits.
    """

    module: nn.Module
    name: str
    shape: tuple[int, int, int]
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None
    source: dict[str, str]
    notes: tuple[str, ...] = ()
    data: str | None = None
    form: Form | None = None
    trained: TrainedNumbers | None = None


@dataclass(frozen=True)
class NetworkOptions:
    """Options of MODEL beside its name."""

    weights: str | None = None
    shape: tuple[int, int, int] | None = None
    form: Form = field(default_factory=Form)
    quiet: bool = False
    search: tuple[Path, ...] = field(default_factory=lambda: (Path.cwd(),))


def build_network(source: TorchSource, options: NetworkOptions) -> Network:
    """The PyTorch network that MODEL names, with its weights, in evaluation mode.

    Raises:
        WeightsMissing: a zoo network without published weights, and none given.
        ModelUnusable: the factory cannot be imported, fails, or returns no network.
        CheckpointUnreadable, CheckpointMismatch: as `edgecnn.model.checkpoint` says.
        FetchError: published weights cannot be had.
    """
    match source:
        case Checkpoint():
            return _from_checkpoint(source, options)
        case Factory():
            return _from_factory(source, options)
        case ZooNetwork():
            return _from_zoo(source.architecture, options)
        case LiveModule():
            return _from_live(source, options)
        case _:
            assert_never(source)


def _from_checkpoint(checkpoint: Checkpoint, options: NetworkOptions) -> Network:
    """The network of an edgecnn checkpoint, by its description."""
    path = checkpoint.path
    if options.weights is not None:
        raise ModelUnusable(f"{path} holds its own weights; leave out --weights")
    return _from_zoo(checkpoint.architecture, replace(options, weights=str(path)))


def _from_zoo(architecture: Architecture, options: NetworkOptions) -> Network:
    architecture.check(options.form)
    weights_name = options.weights or _default_weights(architecture, options.form)
    if weights_name == RANDOM:
        return _assemble(architecture, options, None)
    weights = find_weights(architecture, weights_name, quiet=options.quiet)
    return _assemble(architecture, options, weights)


def _default_weights(architecture: Architecture, form: Form) -> str:
    """Default weights of a network; they exist for the paper's own form only."""
    default = default_weights(architecture)
    if default is None:
        names = shipped(architecture.name)
        offer = f"--weights {' or '.join(names)} for a small trained form, " if names else ""
        raise WeightsMissing(
            f"{architecture.name} has no published weights; pass {offer}--weights FILE with your "
            "own, or --weights random to try it untrained"
        )
    if any(value not in (1.0, architecture.classes) for value in form.given().values()):
        raise WeightsMissing(
            f"the published weights of {architecture.name} are for width 1 and "
            f"{architecture.classes} classes; pass --weights FILE with your own, or random"
        )
    return default


def _assemble(
    architecture: Architecture, options: NetworkOptions, weights: Weights | None
) -> Network:
    """Build the form that the weights are of, and load them."""
    from edgecnn.zoo.analysis.smallest_input import check_size

    description = weights.description if weights else None
    form = _agree(architecture, options.form, weights) if weights else options.form
    classes = form.classes or architecture.classes
    if weights is not None and description is not None:
        refuse_larger(architecture, form, weights)
    module = architecture.build(**vars(form))
    if description is not None:
        shape, preprocess = description.input, description.preprocess
        labels: tuple[str, ...] | None = description.labels
    else:
        shape, preprocess = architecture.input_of(form), architecture.preprocess
        labels = architecture.class_labels() if classes == architecture.classes else None
    if weights is None:
        loaded = untrained()
    else:
        loaded = load_weights(module, weights.path, weights.name, architecture)
    shape = options.shape or shape
    check_size(module, shape)
    return Network(
        module=module,
        name=architecture.name,
        shape=shape,
        preprocess=preprocess,
        labels=labels,
        source={"architecture": architecture.name, **_differences(form, architecture)}
        | loaded.source,
        notes=loaded.notes,
        data=description.data if description else None,
        form=form,
        trained=loaded.trained,
    )


def _agree(architecture: Architecture, form: Form, weights: Weights) -> Form:
    """The form of the weights; options that contradict it are refused."""
    if weights.description is None:
        return form
    own = weights.description
    if own.architecture != architecture.name:
        raise CheckpointMismatch(
            f"{weights.name} is of {own.architecture}, not of {architecture.name}"
        )
    trained = own.form.given()
    for name, value in form.given().items():
        if trained.get(name) == value or (name not in trained and value in (1.0, "imagenet")):
            continue
        raise CheckpointMismatch(
            f"{weights.name} has {name} {trained.get(name, 'as in the paper')}, "
            f"--{name} says {value}; leave it out, or train that form: "
            f"edgecnn train {architecture.name} --init-from FILE --reset-head"
        )
    return own.form


def _differences(form: Form, architecture: Architecture) -> dict[str, str]:
    """Differences from the paper's form, for the provenance."""
    given = form.given()
    if given.get("classes") == architecture.classes:
        del given["classes"]
    return {name: str(value) for name, value in given.items()}


def _from_factory(factory: Factory, options: NetworkOptions) -> Network:
    from torch import nn

    from edgecnn_exporters.capture.prepare import prepare

    shape = _needed_shape(factory, options)
    # A script's own folder is not on the path of ours.
    search = list(
        map(str, [*([] if factory.path is None else [factory.path.parent]), *options.search])
    )
    try:
        sys.path[:0] = search
        target = getattr(_module(factory), factory.name)
        is_built = callable(target) and not isinstance(target, nn.Module)
        network = target() if is_built else target
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ModelUnusable(f"{factory.typed} cannot be built: {reason}") from error
    finally:
        del sys.path[: len(search)]
    if not isinstance(network, nn.Module):
        raise ModelUnusable(
            f"{factory.typed} returned {type(network).__name__}, expected a torch.nn.Module"
        )
    prepared = prepare(network, is_own=is_built)
    loaded = load_own(prepared.module, options.weights, "as built")
    origin = {"factory": factory.typed} | loaded.source
    notes = (*prepared.notes, *loaded.notes)
    return Network(
        prepared.module, factory.name, shape, None, None, origin, notes, trained=loaded.trained
    )


def _module(factory: Factory) -> ModuleType:
    """The module of a factory; a file is loaded as itself, whatever else has its name."""
    if factory.path is None:
        return importlib.import_module(factory.module)
    spec = spec_from_file_location(factory.module, factory.path)
    if spec is None or spec.loader is None or not factory.path.is_file():
        raise FileNotFoundError(f"there is no file {factory.path}")
    module = module_from_spec(spec)
    sys.modules.setdefault(factory.module, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _from_live(source: LiveModule, options: NetworkOptions) -> Network:
    """A copy of a module in memory; a file of weights is loaded into the copy."""
    from edgecnn_exporters.capture.prepare import prepare

    shape = _needed_shape(source, options)
    prepared = prepare(source.module)
    if options.weights is not None and prepared.module is source.module:
        raise ModelUnusable(
            f"{source.typed} cannot be copied, and weights={options.weights!r} would change it; "
            "load them yourself, and leave out weights"
        )
    loaded = load_own(prepared.module, options.weights, "in memory")
    origin = {"module": source.typed} | loaded.source
    notes = (*prepared.notes, *loaded.notes)
    return Network(
        prepared.module, source.name, shape, None, None, origin, notes, trained=loaded.trained
    )


def _needed_shape(source: Factory | LiveModule, options: NetworkOptions) -> tuple[int, int, int]:
    if options.shape is None:
        raise ModelUnusable(
            f"{source.typed} needs the shape of its input: --input 1x3x224x224, in Python an "
            "example of it or (1, 3, 224, 224)"
        )
    return options.shape
