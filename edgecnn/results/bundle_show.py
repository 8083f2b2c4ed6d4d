"""Result of ``edgecnn bundle show``: contents of a bundle, or of a plain model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.bundles.facts import BundleFacts, bundle_facts
from edgecnn.bundles.model_file import ModelShow
from edgecnn.bundles.read_model import is_model_file, read_model_file
from edgecnn.results.result import Result
from edgecnn_runtime.budget import Budget

if TYPE_CHECKING:
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class BundleShowResult(Result):
    """Contents of a bundle."""

    SCHEMA = "edgecnn.bundle-show/1"

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

    SCHEMA = "edgecnn.model-show/1"

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


def show(path: Path, budget: Budget | None = None) -> BundleShowResult | ModelShowResult:
    """The contents of a bundle, or of an ``.onnx`` or ``.tflite`` file; no engine opens it.

    Raises:
        BundleError: the file cannot be trusted, or is none of these.
    """
    if is_model_file(path):
        model, _ = read_model_file(path, budget)
        return ModelShowResult(ModelShow(str(path), model))
    return BundleShowResult(bundle_facts(path, budget))
