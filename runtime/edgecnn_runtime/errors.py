"""The errors of the runtime, and the root of every deliberate error of edgecnn.

Each message names the thing, what was found, what was expected and what to do next. The command
line catches `EdgeCNNError` once and prints it as one line; anything else is a bug and a traceback.

* EdgeCNNError
  + BundleError
    - BundleUnreadable
    - UnknownSchema
    - ManifestInvalid
    - FileMissing
    - FileUnlisted
    - DigestMismatch
    - UnsafePath
    - CompressionBomb
    - GoldenInvalid
    - ExternalData
    - OverBudget
  + EngineError
    - EngineUnavailable
  + FeedError
  + ImageError
  + NotAClassifier
  + NotTrainable
  + LearningFailed
    - StepNotFinite
  + OutputNotWritable
  + MeasureError
    - WorkerDied (measure/worker_process.py)
"""

from __future__ import annotations


class EdgeCNNError(Exception):
    """Base class of every deliberate error; the message states the reason."""


class BundleError(EdgeCNNError):
    """A bundle that cannot be trusted. The subclasses say why."""


class BundleUnreadable(BundleError):
    """Not a zip archive, truncated, or not readable at all."""


class UnknownSchema(BundleError):
    """The manifest's schema is absent, unknown or newer than this runtime."""


class ManifestInvalid(BundleError):
    """The manifest is not JSON, or a field is missing, of the wrong type or out of range."""


class FileMissing(BundleError):
    """The manifest lists a file that the archive does not contain."""


class FileUnlisted(BundleError):
    """The archive contains a file that the manifest does not list, or contains a file twice."""


class DigestMismatch(BundleError):
    """A file's size or sha256 is not the one that the manifest lists."""


class UnsafePath(BundleError):
    """A path in the archive would leave the bundle."""


class CompressionBomb(BundleError):
    """A member inflates to far more bytes than a model needs."""


class GoldenInvalid(BundleError):
    """A golden array contains NaN or infinity, or its shape or type is not its tensor's."""


class ExternalData(BundleError):
    """An artefact refers to data or code outside itself."""


class OverBudget(BundleError):
    """An artefact would cost more memory or time than the budget allows."""


class EngineError(EdgeCNNError):
    """An inference engine refused the artefact or failed while running it."""


class EngineUnavailable(EngineError):
    """The inference engine is not installed, or does not work on this machine."""

    def __init__(
        self, engine: str, extra: str | None, reason: str | None = None, *, package: str = ""
    ) -> None:
        """Build the message from the reason and the fix.

        Args:
            extra: the extra of edgecnn that installs the engine; None for a plug-in.
            reason: what is wrong, as the predicate of a sentence; None: it is not installed.
            package: the package that installs a plug-in.
        """
        from edgecnn_runtime.install_hint import install_command, install_hint

        self.engine = engine
        self.extra = extra
        self.reason = reason or "not installed"
        self.fix = "install its package"
        if extra or package:
            self.fix = install_hint(extra) if extra else install_command(package)
        super().__init__(f"engine {engine!r} {reason or 'is not installed'}; {self.fix}")


class FeedError(EdgeCNNError):
    """An input array is missing, unexpected, or of the wrong shape or type."""


class ImageError(EdgeCNNError):
    """An image cannot be read, or an array is not an image."""


class NotAClassifier(EdgeCNNError):
    """`classify` was called on a bundle without preprocessing or labels."""


class NotTrainable(EdgeCNNError):
    """A bundle without a training graph, or one that cannot learn what was asked."""


class LearningFailed(EdgeCNNError):
    """A batch that cannot be learnt from, or a step without a finite result; nothing is changed."""


class StepNotFinite(LearningFailed):
    """A step whose loss, gradient or weights are not finite; the weights are as before it."""


class OutputNotWritable(EdgeCNNError):
    """A file cannot be written to the requested path."""


class MeasureError(EdgeCNNError):
    """A measurement failed or could not start."""


def first_line(error: BaseException) -> str:
    """The first line of another library's error message, or its type where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
