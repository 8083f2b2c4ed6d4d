"""The workstation: export, verify, evaluate, bench. The command line is `edgecnn.cli`.

import edgecnn

bundle = edgecnn.export(network, (1, 3, 224, 224), "net.edge", quantize="int8", calibrate=loader)
print(bundle.verify())
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.api.bundle import Bundle, open_bundle
    from edgecnn.api.export import export
    from edgecnn.api.network import load_network
    from edgecnn.errors import (
        ArgumentInvalid,
        BenchRefused,
        CompileRefused,
        DataUnreadable,
        ModelUnusable,
        OptionsRefused,
        OverwriteRefused,
        PackageMissing,
    )
    from edgecnn.results.result import Result
    from edgecnn_exporters.errors import CaptureFailed, LimitMissed, UnsupportedModel
    from edgecnn_runtime import __version__
    from edgecnn_runtime.errors import (
        BundleError,
        EdgeCNNError,
        EngineError,
        NotAClassifier,
        NotTrainable,
    )

# The names of each module, which is imported when the first of them is used.
_NAMES = {
    "edgecnn.api.bundle": ("Bundle", "open_bundle"),
    "edgecnn.api.export": ("export",),
    "edgecnn.api.network": ("load_network",),
    "edgecnn.results.result": ("Result",),
    "edgecnn.errors": (
        *("ArgumentInvalid", "BenchRefused", "CompileRefused", "DataUnreadable", "ModelUnusable"),
        *("OptionsRefused", "OverwriteRefused", "PackageMissing"),
    ),
    "edgecnn_exporters.errors": ("CaptureFailed", "LimitMissed", "UnsupportedModel"),
    "edgecnn_runtime": ("__version__",),
    "edgecnn_runtime.errors": (
        *("BundleError", "EdgeCNNError", "EngineError", "NotAClassifier", "NotTrainable"),
    ),
}

__all__ = [
    "ArgumentInvalid",
    "BenchRefused",
    "Bundle",
    "BundleError",
    "CaptureFailed",
    "CompileRefused",
    "DataUnreadable",
    "EdgeCNNError",
    "EngineError",
    "LimitMissed",
    "ModelUnusable",
    "NotAClassifier",
    "NotTrainable",
    "OptionsRefused",
    "OverwriteRefused",
    "PackageMissing",
    "Result",
    "UnsupportedModel",
    "__version__",
    "export",
    "load_network",
    "open_bundle",
]


def __getattr__(name: str) -> object:
    """Import a name of the API when it is first used: ``import edgecnn`` alone loads nothing."""
    for module, names in _NAMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
