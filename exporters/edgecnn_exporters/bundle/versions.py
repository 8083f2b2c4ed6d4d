"""Versions of the packages that took part in an export."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from edgecnn_runtime import __version__

PACKAGES = ("torch", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "numpy")
# What writes the other formats, as far as it is installed.
WRITERS = ("ai-edge-litert", "openvino")


def tool_versions() -> dict[str, str]:
    """edgecnn's version, Python's, and that of each package that is installed."""
    versions = {"edgecnn": __version__, "python": platform.python_version()}
    for package in (*PACKAGES, *WRITERS):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
