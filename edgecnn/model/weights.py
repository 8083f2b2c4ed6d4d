"""Resolution of the name of weights to a file: published, shipped or a user's own."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import WeightsMissing
from edgecnn.model.description import Description, read_description
from edgecnn.zoo import Architecture

RANDOM = "random"
SHIPPED_PACKAGE = "edgecnn_weights"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Weights:
    """A file of weights, and its description if it has one."""

    name: str
    path: Path
    description: Description | None


def shipped(architecture: str) -> dict[str, Path]:
    """Trained checkpoints of a network that the extra ``weights`` brings, by the data's name."""
    package = importlib.util.find_spec(SHIPPED_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return {}
    folder = Path(next(iter(package.submodule_search_locations)))
    begin = f"{architecture}-"
    paths = {path.stem.removeprefix(begin): path for path in folder.glob(f"{begin}*{SUFFIX}")}
    # The data set that a family is known for comes first.
    return dict(sorted(paths.items(), key=lambda item: (item[0] not in _FIRST, item[0])))


_FIRST = ("mnist", "cifar10")


def default_weights(architecture: Architecture) -> str | None:
    """Default weights of a network in its paper's form; None if there are none.

    A shipped checkpoint of a thinner or smaller form is not what the name alone promises.
    """
    if architecture.weights:
        return next(iter(architecture.weights))
    for name, path in shipped(architecture.name).items():
        description = read_description(path)
        if description is not None and set(description.form.given()) <= {"classes"}:
            return name
    return None


def find_weights(architecture: Architecture, name: str, *, quiet: bool) -> Weights:
    """Find the weights of a zoo network by name or path.

    Raises:
        WeightsMissing: no weights have that name, and it is no file.
        FetchError: published weights cannot be had.
        CheckpointUnreadable: a file that is missing or damaged.
    """
    if name in architecture.weights:
        from edgecnn.fetch import fetch

        return Weights(name, fetch(architecture.weights[name], quiet=quiet), None)
    if name in (own := shipped(architecture.name)):
        return Weights(name, own[name], read_description(own[name]))
    path = Path(name)
    if not path.suffix:
        raise WeightsMissing(
            f"{architecture.name} has no weights called {name!r}; it has "
            f"{', '.join(names_of(architecture)) or 'none'}; "
            "or pass a file (.safetensors, .pth)"
        )
    described = read_description(path) if path.is_file() else None
    return Weights(name, path, described)


def names_of(architecture: Architecture) -> list[str]:
    """The names of all weights of a network, published ones first."""
    return [*architecture.weights, *shipped(architecture.name)]
