"""The table of ``edgecnn run``: the likeliest classes of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecnn.console import table
from edgecnn.report.blocks import Block
from edgecnn_runtime.tasks import Classification


def class_blocks(results: Mapping[str, Sequence[Classification]]) -> list[Block]:
    """One row a class, best first; `results` are by the image's name."""
    shown = table(("image", "class", "score"), right=("score",))
    for image, classes in results.items():
        for rank, prediction in enumerate(classes):
            shown.add_row(image if rank == 0 else "", prediction.label, f"{prediction.score:.1%}")
    return [shown]
