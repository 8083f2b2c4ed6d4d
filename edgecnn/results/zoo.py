"""Results of `edgecnn zoo`: the list of networks, and networks described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.documents.zoo import ZooDocument
    from edgecnn.model.describe import Described
    from edgecnn.report.blocks import Block
    from edgecnn.zoo.figures import Figures


@dataclass(frozen=True)
class ZooResult(Result):
    """Result of ``edgecnn zoo``: figures of every network that were counted once, by name."""

    SCHEMA: ClassVar[str] = "edgecnn.zoo/2"

    figures: Mapping[str, Figures]

    def blocks(self) -> list[Block]:
        from edgecnn.report.network_tables import zoo_blocks

        return zoo_blocks(self.figures)

    def document(self) -> ZooDocument:
        from edgecnn.documents.zoo import ZooDocument, listed_network
        from edgecnn.zoo import ARCHITECTURES

        return ZooDocument(
            tuple(listed_network(a, self.figures.get(a.name)) for a in ARCHITECTURES.values())
        )

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(network) for network in self.document().networks]


@dataclass(frozen=True)
class NetworksResult(Result):
    """Result of ``edgecnn zoo NAME…``: one network described, or several compared."""

    SCHEMA: ClassVar[str] = ZooResult.SCHEMA

    networks: tuple[Described, ...]

    def blocks(self) -> list[Block]:
        from edgecnn.report.network_tables import comparison_blocks, network_blocks

        if len(self.networks) == 1:
            return network_blocks(self.networks[0])
        return comparison_blocks(self.networks)

    def document(self) -> ZooDocument:
        from edgecnn.documents.zoo import ZooDocument, described_network

        return ZooDocument(tuple(map(described_network, self.networks)))

    def rows(self) -> list[dict[str, Any]]:
        left_out = ("stages", "growth")
        return [
            {key: value for key, value in asdict(network).items() if key not in left_out}
            for network in self.document().networks
        ]
