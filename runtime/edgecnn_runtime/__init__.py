"""edgecnn on the device: open a bundle, run it, measure it. Needs numpy and one engine.

import edgecnn_runtime as edge

with edge.open("mobilenet_v2.edge") as model:
    best = model.classify("cat.jpg")[0]
    print(best.label, best.score)
"""

from edgecnn_runtime.errors import (
    BundleError,
    EdgeCNNError,
    EngineError,
    EngineUnavailable,
    FeedError,
    ImageError,
)
from edgecnn_runtime.postprocess import Classification
from edgecnn_runtime.session import Session, open

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Classification",
    "EdgeCNNError",
    "EngineError",
    "EngineUnavailable",
    "FeedError",
    "ImageError",
    "Session",
    "open",
]
