"""The table of ``edgecnn run``: the likeliest classes of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecnn.console import stdout, table
from edgecnn_runtime.tasks import Classification


def print_classes(results: Mapping[str, Sequence[Classification]]) -> None:
    """One row a class on stdout, best first; `results` are by the image's name."""
    shown = table(("image", "class", "score"), right=("score",))
    for image, classes in results.items():
        for rank, prediction in enumerate(classes):
            shown.add_row(image if rank == 0 else "", prediction.label, f"{prediction.score:.1%}")
    stdout().print(shown)
