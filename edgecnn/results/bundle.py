"""`edgecnn bundle`: contents shown, artefacts extracted, a bundle stripped; the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.bundles.extract import Extracted, extract
from edgecnn.bundles.facts import BundleFacts, bundle_facts
from edgecnn.bundles.model_file import ModelShow
from edgecnn.bundles.read_model import is_model_file, read_model_file
from edgecnn.bundles.strip import StripOptions, Stripped, strip
from edgecnn.results.result import Result
from edgecnn_runtime.budget import Budget

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class BundleShowResult(Result):
    """Contents of a bundle."""

    SCHEMA: ClassVar[str] = "edgecnn.bundle-show/1"

    facts: BundleFacts

    def blocks(self) -> Sequence[Block]:
        """Network, artefacts, preprocessing, labels, golden examples, origin."""
        from edgecnn.report.bundle_tables import bundle_blocks

        return bundle_blocks(self.facts)

    def document(self) -> BundleFacts:
        """The facts themselves."""
        return self.facts

    def rows(self) -> list[dict[str, Any]]:
        """One row an artefact."""
        return [asdict(one) for one in self.facts.artefacts]


@dataclass(frozen=True)
class ModelShowResult(Result):
    """Contents of an ``.onnx`` or ``.tflite`` file outside a bundle."""

    SCHEMA: ClassVar[str] = "edgecnn.model-show/1"

    shown: ModelShow

    def blocks(self) -> Sequence[Block]:
        """Inputs, outputs, operators, weights."""
        from edgecnn.report.bundle_tables import model_blocks

        return model_blocks(self.shown.file, self.shown.model)

    def document(self) -> ModelShow:
        """The file's path and facts."""
        return self.shown

    def rows(self) -> list[dict[str, Any]]:
        """One row an operator type."""
        return [
            {"operator": name, "count": count} for name, count in self.shown.model.operators.items()
        ]


def show_bundle(path: Path, budget: Budget | None = None) -> BundleShowResult | ModelShowResult:
    """The contents of a bundle, or of an ``.onnx`` or ``.tflite`` file; no engine opens it.

    Raises:
        BundleError: the file cannot be trusted, or is none of these.
    """
    if is_model_file(path):
        model, _ = read_model_file(path, budget)
        return ModelShowResult(ModelShow(str(path), model))
    return BundleShowResult(bundle_facts(path, budget))


@dataclass(frozen=True)
class ExtractResult(Result):
    """Artefacts that were extracted from a bundle."""

    SCHEMA: ClassVar[str] = "edgecnn.bundle-extract/1"

    extracted: Extracted

    def blocks(self) -> Sequence[Block]:
        """One row a file, and what to read first."""
        from edgecnn.report.bundle_tables import extracted_blocks

        return extracted_blocks(self.extracted)

    def document(self) -> Extracted:
        """What was extracted."""
        return self.extracted

    def rows(self) -> list[dict[str, Any]]:
        """One row a file."""
        return [{"file": name, "size_bytes": size} for name, size in self.extracted.files.items()]


def extract_bundle(
    bundle: Path, folder: Path, artefact: str | None = None, *, force: bool = False
) -> ExtractResult:
    """Extract an artefact, or all; errors and arguments are those of `edgecnn.bundles.extract`."""
    return ExtractResult(extract(bundle, folder, artefact, force=force))


@dataclass(frozen=True)
class StripResult(Result):
    """A bundle with less in it."""

    SCHEMA: ClassVar[str] = "edgecnn.bundle-strip/1"

    stripped: Stripped

    def blocks(self) -> Sequence[Block]:
        """Sizes, what was left out, and what can still be proven."""
        from edgecnn.report.bundle_tables import stripped_blocks

        return stripped_blocks(self.stripped)

    def document(self) -> Stripped:
        """What was left out."""
        return self.stripped

    def rows(self) -> list[dict[str, Any]]:
        """One row an artefact: whether it was kept."""
        stripped = self.stripped
        return [
            *({"artefact": path, "is_kept": True} for path in stripped.kept),
            *({"artefact": path, "is_kept": False} for path in stripped.left_out),
        ]


def strip_bundle(
    bundle: Path, output: Path | None, options: StripOptions | None = None
) -> StripResult:
    """Strip a bundle; errors and arguments are those of `edgecnn.bundles.strip`."""
    return StripResult(strip(bundle, output, options or StripOptions()))
