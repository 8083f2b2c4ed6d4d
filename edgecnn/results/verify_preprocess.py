"""`edgecnn verify --preprocess`: cost of preparing images differently, and its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.documents.verify import VerifyPreprocessDocument
    from edgecnn.report.blocks import Block
    from edgecnn.verify.preprocess.certify import WayCost

# Twenty ways of so many images of a data set take a minute.
LIMIT = 256


@dataclass(frozen=True)
class PreprocessCostResult(Result):
    """Result of ``edgecnn verify --preprocess``.

    Attributes:
        bundle: path as it was given.
        artefact: the artefact that ran, and its engine, in words.
        data: name of the images; None for the photographs that come with edgecnn.
        pictures: number of the images.
        costs: the ways to prepare an image.
    """

    SCHEMA: ClassVar[str] = "edgecnn.verify-preprocess/1"

    bundle: str
    artefact: str
    data: str | None
    pictures: int
    costs: tuple[WayCost, ...]

    def blocks(self) -> list[Block]:
        from edgecnn.report.verify_tables import cost_blocks

        return cost_blocks(self.costs, self.data, self.artefact, self.pictures)

    def document(self) -> VerifyPreprocessDocument:
        from edgecnn.data.pictures import PHOTOGRAPHS
        from edgecnn.documents.verify import VerifyPreprocessDocument

        return VerifyPreprocessDocument(
            self.bundle, self.artefact, self.data or PHOTOGRAPHS, self.pictures, self.costs
        )

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"way": row.way, "stands_for": row.stands_for, "note": row.note}
            | ({} if row.cost is None else asdict(row.cost))
            for row in self.costs
        ]


def compare_preprocessing(
    bundle: str, data: str | None, engine: str | None = None, *, quiet: bool = True
) -> PreprocessCostResult:
    """Prepare the same images in every way, and compare each with the bundle's own.

    Args:
        data: name or folder of images; None for the photographs that come with edgecnn.
        quiet: show no progress on stderr.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or nothing in it can run here.
        NotAClassifier: it has no preprocessing, or no scores of classes.
        DataUnreadable, FetchError, ImageError: there are no such images.
    """
    import edgecnn_runtime
    from edgecnn.progress_bar import bar
    from edgecnn.verify.preprocess.certify import certify
    from edgecnn.verify.preprocess.pictures import verification_images
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.engines.choose import choose

    with Bundle(bundle) as opened:  # the first artefact is float, where there is one
        artefact, kind = choose(opened.manifest, engine)
    with edgecnn_runtime.open(bundle, engine=kind.name, artefact=artefact.path) as session:
        pictures = verification_images(data, LIMIT, quiet=quiet)
        with bar("prepare", quiet=quiet) as progress:
            rows = certify(session, pictures, progress)
        used = f"{session.artefact.path} by {session.engine.name}"
    return PreprocessCostResult(bundle, used, data, len(pictures), tuple(rows))
