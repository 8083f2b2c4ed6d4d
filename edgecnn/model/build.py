"""PyTorch networks built from a resolved MODEL, with their weights loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from edgecnn.errors import CheckpointMismatch, ModelUnusable, WeightsMissing
from edgecnn.model.loading import load_weights, refuse_larger, untrained
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.own_network import from_factory, from_live
from edgecnn.model.resolve import Checkpoint, Factory, LiveModule, TorchSource, ZooNetwork
from edgecnn.model.weights import RANDOM, Weights, default_weights, find_weights, shipped
from edgecnn.zoo import Architecture, Form


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
            return from_factory(source, options)
        case ZooNetwork():
            return _from_zoo(source.architecture, options)
        case LiveModule():
            return from_live(source, options)
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
