"""Result of `edgecnn train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.documents.train import TrainedFields
from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class TrainResult(Result):
    """Result of ``edgecnn train``: trained networks.

    Attributes:
        trained: one network; with ``--progressive`` each network of the chain.
    """

    SCHEMA: ClassVar[str] = "edgecnn.train/1"

    trained: tuple[TrainedFields, ...]

    def blocks(self) -> list[Block]:
        from edgecnn.report.training import trained_block

        return [trained_block(one) for one in self.trained]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "architecture": one.architecture,
                "data": one.data,
                "epochs": one.epochs,
                "accuracy": one.test.accuracy,
                "images": one.test.images,
                "seconds": one.seconds,
                "weights": one.weights,
            }
            for one in self.trained
        ]
