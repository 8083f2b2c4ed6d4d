"""`edgecnn.load_network`: MODEL as a PyTorch module, to train or to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.api.arguments import PathText, check_flags, option_value, path_of, text_of_path
from edgecnn.api.notes import log_notes
from edgecnn.errors import ModelUnusable
from edgecnn.zoo import Form

if TYPE_CHECKING:
    from torch import nn


def load_network(
    model: PathText,
    *,
    weights: PathText | None = None,
    classes: int | None = None,
    width: float | None = None,
    depth: float | None = None,
    stem: str | None = None,
    phi: float | None = None,
    progress: bool = False,
) -> nn.Module:
    """The network that MODEL names on the command line, with its weights, in evaluation mode.

    Args:
        model: a name of the zoo, or a checkpoint that ``edgecnn train`` wrote.
        progress: show downloads on stderr.

    Raises:
        UnknownModel, ModelUnusable, WeightsMissing: there is no such network.
        CheckpointUnreadable, CheckpointMismatch: the weights are damaged or of another network.
    """
    from edgecnn.commands.export import command
    from edgecnn.model.build import build_network
    from edgecnn.model.network import NetworkOptions
    from edgecnn.model.resolve import Checkpoint, ZooNetwork, resolve

    check_flags(progress=progress)
    source = resolve(str(path_of(model, "model")))
    if not isinstance(source, ZooNetwork | Checkpoint):
        raise ModelUnusable(
            f"{source.typed}: expected a name from edgecnn zoo or a checkpoint of edgecnn train; "
            "build a network of your own by calling its function"
        )
    form = Form(
        option_value(command, "classes", classes),
        option_value(command, "width", width),
        option_value(command, "depth", depth),
        option_value(command, "stem", stem),
        option_value(command, "phi", phi),
    )
    options = NetworkOptions(text_of_path(weights, "weights"), form=form, quiet=not progress)
    network = build_network(source, options)
    log_notes(network.notes)
    return network.module
