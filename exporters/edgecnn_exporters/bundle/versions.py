"""Versions of the packages that took part in an export."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from edgecnn_runtime import __version__
from edgecnn_runtime.engines.table import ENGINES, REFERENCE


def tool_versions() -> dict[str, str]:
    """edgecnn's version, Python's, and that of each package that is installed."""
    versions = {"edgecnn": __version__, "python": platform.python_version()}
    engines = {entry.name: entry.package_names[0] for entry in ENGINES.values() if entry.packages}
    packages = ("torch", "onnx", "onnx-ir", "onnxscript", engines.pop(REFERENCE), "numpy")
    # The packages of the other engines write their formats too.
    for package in (*packages, *sorted(engines.values())):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
