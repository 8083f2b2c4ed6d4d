"""edgecnn on the device: open a bundle, run it, measure it. Needs numpy and one engine.

import edgecnn_runtime as edge

with edge.open("mobilenet_v2.edge") as model:
    best = model.classify("cat.jpg")[0]
    print(best.label, best.score)
"""

import sys
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036 # an older Python reads this file, and no further
    raise ImportError(
        f"edgecnn_runtime needs Python 3.11 or newer, this is {sys.version.split()[0]}"
    )

from edgecnn_runtime.errors import (
    BundleError,
    EdgeCNNError,
    EngineError,
    EngineUnavailable,
    FeedError,
    ImageError,
    LearningFailed,
    NotTrainable,
    OutputNotWritable,
)

if TYPE_CHECKING:
    from edgecnn_runtime.budget import Budget
    from edgecnn_runtime.learn.session import LearningSession
    from edgecnn_runtime.opening import open
    from edgecnn_runtime.session import Session
    from edgecnn_runtime.tasks import Classification

__version__ = "0.2.0"

__all__ = [
    "Budget",
    "BundleError",
    "Classification",
    "EdgeCNNError",
    "EngineError",
    "EngineUnavailable",
    "FeedError",
    "ImageError",
    "LearningFailed",
    "LearningSession",
    "NotTrainable",
    "OutputNotWritable",
    "Session",
    "open",
]


# Names that need numpy, which half of the agent does without, or time: their modules.
_LAZY = {
    "Budget": "budget",
    "Classification": "tasks",
    "LearningSession": "learn.session",
    "Session": "session",
    "open": "opening",
}


def __getattr__(name: str) -> object:
    """Lazy import of the names of `_LAZY`."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
