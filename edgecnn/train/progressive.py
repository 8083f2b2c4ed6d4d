"""VGG as its authors trained it: each network begins with the layers of a shallower one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.errors import ModelUnusable
from edgecnn.train.checkpoints import WEIGHTS

if TYPE_CHECKING:
    from edgecnn.train.options import TrainOptions

LAYERS = (11, 13, 16, 19)


def chain(options: TrainOptions) -> Iterator[TrainOptions]:
    """The trainings 11 → 13 → 16 → 19 that end with the named VGG, each in a folder of its own.

    The last one is in the folder of the options, the others beside it. Simonyan and Zisserman 2015,
    section 3.1. With ``--resume`` those that are finished are not trained again.

    Raises:
        ModelUnusable: the network is no VGG, or begins with something else already.
    """
    name, _, norm = options.name.partition("_")
    columns = [f"vgg{layers}" for layers in LAYERS]
    if name not in columns:
        raise ModelUnusable(
            f"{options.name} is not a VGG, whose chain {' → '.join(columns)} --progressive trains"
        )
    init_from = options.init_from
    for column in columns[: columns.index(name) + 1]:
        own = f"{column}_{norm}" if norm else column
        folder = options.output
        if own != options.name:
            folder = folder.with_name(f"{folder.name}-{own}")
        yield replace(options, name=own, output=folder, init_from=init_from)
        init_from = folder / WEIGHTS
