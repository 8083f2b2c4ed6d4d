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
  + EngineError
    - EngineUnavailable
  + FeedError
  + ImageError
  + NotAClassifier
  + MeasureError
    - WorkerDied (measure/worker_process.py)
"""

from __future__ import annotations


class EdgeCNNError(Exception):
    """The root: a job that was refused or that failed, for a reason the message states."""


class BundleError(EdgeCNNError):
    """A bundle that cannot be trusted. The subclasses say why."""


class BundleUnreadable(BundleError):
    """Not a zip archive, truncated, or not readable at all."""


class UnknownSchema(BundleError):
    """The manifest's schema is absent, unknown or newer than this runtime."""


class ManifestInvalid(BundleError):
    """The manifest is not JSON, or a field is missing, of the wrong type or out of range."""


class FileMissing(BundleError):
    """The manifest lists a file that the archive does not hold."""


class FileUnlisted(BundleError):
    """The archive holds a file (or holds it twice) that the manifest does not list."""


class DigestMismatch(BundleError):
    """A file's size or sha256 is not the one that the manifest lists."""


class UnsafePath(BundleError):
    """A path in the archive would leave the bundle."""


class CompressionBomb(BundleError):
    """A member inflates to far more than a model can need."""


class GoldenInvalid(BundleError):
    """A golden array holds NaN or infinity, or has another shape or type than its tensor."""


class ExternalData(BundleError):
    """An ONNX artefact refers to tensor data outside itself."""


class EngineError(EdgeCNNError):
    """An inference engine refused the artefact or failed while running it."""


class EngineUnavailable(EngineError):
    """The inference engine is not installed, or does not work on this machine."""

    def __init__(
        self, engine: str, extra: str | None, reason: str | None = None, *, package: str = ""
    ) -> None:
        """The reason and what mends it.

        Args:
            extra: of edgecnn, that brings the engine; None for a plug-in's.
            reason: what is wrong, as the predicate of a sentence; None: it is not installed.
            package: what brings a plug-in.
        """
        self.engine = engine
        self.extra = extra
        self.reason = reason or "not installed"
        self.mend = "install its package"
        if extra or package:
            self.mend = f"pip install 'edgecnn[{extra}]'" if extra else f"pip install {package}"
        super().__init__(f"engine {engine!r} {reason or 'is not installed'}; {self.mend}")


class FeedError(EdgeCNNError):
    """An input array is missing, unexpected, or of the wrong shape or type."""


class ImageError(EdgeCNNError):
    """An image that cannot be read, or an array that is no image."""


class NotAClassifier(EdgeCNNError):
    """`classify` was asked of a bundle that has no preprocessing or no labels."""


class MeasureError(EdgeCNNError):
    """A measurement that could not be made."""


def first_line(error: BaseException) -> str:
    """The first line of another library's error message, or its type where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
