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
    from edgecnn_runtime import __version__
    from edgecnn_runtime.errors import BundleError, EdgeCNNError

# Of each name its module, which is imported when the name is first used.
_MODULES = {
    "Bundle": "edgecnn.api.bundle",
    "BundleError": "edgecnn_runtime.errors",
    "EdgeCNNError": "edgecnn_runtime.errors",
    "__version__": "edgecnn_runtime",
    "export": "edgecnn.api.export",
    "open_bundle": "edgecnn.api.bundle",
}

__all__ = [
    "Bundle",
    "BundleError",
    "EdgeCNNError",
    "__version__",
    "export",
    "open_bundle",
]


def __getattr__(name: str) -> object:
    """Import a name of the API when it is first used: ``import edgecnn`` alone loads nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
