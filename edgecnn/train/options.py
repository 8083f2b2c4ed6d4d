"""Options of a training, as the command line gives them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.zoo import Form


@dataclass(frozen=True)
class TrainOptions:
    """The command line of ``edgecnn train``.

    Attributes:
        recipe: fields of `Recipe` given by the user; the family's recipe gives the others.
        init_from: a checkpoint to begin with.
        is_strict: a broken image is an error.
        is_head_reset: the last layer begins anew where the checkpoint has other classes.
        is_quantised: the network is trained in 8 bits, from the float one in `init_from`.
        teacher: checkpoint of the float network that one in 8 bits is held to; None takes
            `init_from`.
    """

    name: str
    data: str
    output: Path
    form: Form = field(default_factory=Form)
    shape: tuple[int, int, int] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    init_from: Path | None = None
    is_head_reset: bool = False
    is_resumed: bool = False
    is_strict: bool = False
    quiet: bool = False
    is_quantised: bool = False
    teacher: Path | None = None


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return os.environ.get("RANK", "0") == "0"
