"""Reader of ``.onnx`` and ``.tflite`` files outside bundles; no engine opens them."""

from __future__ import annotations

from pathlib import Path

from edgecnn.bundles.model_file import ModelFile
from edgecnn.bundles.onnx_file import describe_onnx
from edgecnn.bundles.tflite_file import describe_tflite
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.archive import MAX_TOTAL_BYTES
from edgecnn_runtime.bundle.limits.artefact import refuse_unsafe
from edgecnn_runtime.errors import BundleUnreadable
from edgecnn_runtime.file_kind import other_than_file

FORMATS = {".onnx": "onnx", ".tflite": "tflite"}


def is_model_file(path: str | Path) -> bool:
    """Whether a path names a plain model file, by its suffix."""
    return Path(path).suffix.lower() in FORMATS


def read_model_file(path: Path, budget: Budget | None = None) -> tuple[ModelFile, bytes]:
    """Facts and content of an ``.onnx`` or ``.tflite`` file.

    Raises:
        BundleUnreadable: it is missing, no plain file, or not of its format.
        ExternalData: it has external data or custom operators.
        OverBudget: it is seen to cost more than the budget.
    """
    format, content = FORMATS[path.suffix.lower()], _content(path)
    refuse_unsafe(format, content, None, str(path), budget or Budget())
    describe = describe_onnx if format == "onnx" else describe_tflite
    return describe(content, str(path)), content


def _content(path: Path) -> bytes:
    kind = other_than_file(path)
    if kind is not None:
        raise BundleUnreadable(f"{path} cannot be read: it is {kind}, expected a model file")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_TOTAL_BYTES + 1)
    except FileNotFoundError as error:
        raise BundleUnreadable(f"{path} does not exist; look at the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleUnreadable(f"{path} cannot be read: {reason}") from error
    if len(content) > MAX_TOTAL_BYTES:
        raise BundleUnreadable(
            f"{path} has more than {MAX_TOTAL_BYTES} bytes, which no model file has; export a "
            "smaller network"
        )
    return content
