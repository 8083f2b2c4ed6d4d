"""Task accuracy of a freshly quantised bundle, before it is written to its final path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.evaluate.class_names import ClassNames, classes_of
from edgecnn.evaluate.examples import Examples, open_examples
from edgecnn.evaluate.paired import compare
from edgecnn.evaluate.run import find_variants, run
from edgecnn.evaluate.spooled import SpooledExamples
from edgecnn_exporters.bundle.requests import AccuracyVerdict
from edgecnn_runtime.parity.proportion import wilson_interval
from edgecnn_runtime.progress import Progress

IMAGES = 1000


@dataclass(frozen=True)
class AccuracyJudge:
    """Classifies labelled images with fp32 and int8, as an app would.

    Attributes:
        data: as `edgecnn evaluate --data` takes it, or labelled images in a temporary file.
        max_drop: points of top-1 that int8 may lose; None only measures.
        images: at most, drawn from all alike.
    """

    data: str | SpooledExamples
    max_drop: float | None = None
    images: int = IMAGES
    quiet: bool = False

    def __call__(self, bundle: Path, progress: Progress) -> AccuracyVerdict:
        """Measure the accuracy of int8 against fp32, and refuse too large a drop.

        Raises:
            DataUnreadable, NotAClassifier: the images do not fit the network.
        """
        examples = self._examples(classes_of(str(bundle)))
        variants = find_variants(str(bundle), None, None)
        outcome = run(variants, examples.limited(self.images), progress=progress)
        fp32, int8 = outcome.answers
        paired = compare(fp32.classes, int8.classes, outcome.labels)
        count = len(outcome.labels)
        right = [int((answers.ranks == 0).sum()) for answers in (fp32, int8)]
        drop = 100 * (right[0] - right[1]) / count
        low, high = wilson_interval(paired.same, count)
        accuracy = {
            "data": examples.name,
            "images": count,
            "fp32": right[0] / count,
            "int8": right[1] / count,
            "agreement": paired.same / count,
            "agreement_interval": [round(low, 4), round(high, 4)],
        }
        failure = None
        if self.max_drop is not None and drop > self.max_drop:
            failure = (
                f"int8 is right for {right[1] / count:.2%} of {count:,} images of {examples.name}, "
                f"float for {right[0] / count:.2%}: {drop:.2f} points less, {self.max_drop:g} were "
                "allowed"
            )
        return AccuracyVerdict(accuracy, failure)

    def _examples(self, names: ClassNames) -> Examples:
        if isinstance(self.data, str):
            return open_examples(self.data, names, quiet=self.quiet)
        return self.data.examples(names)
