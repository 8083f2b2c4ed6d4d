"""Installed packages of engines and their versions, without an import."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from edgecnn_runtime.engines import is_importable
from edgecnn_runtime.engines.table import EngineEntry, EnginePackage


def is_present(entry: EngineEntry) -> bool:
    """Whether a module of its packages is there; an engine without packages is."""
    modules = [package.module for package in entry.packages]
    return not modules or any(map(is_importable, modules))


def installed_version(entry: EngineEntry) -> str:
    """Name and version of the package that is installed, as ``onnxruntime 1.32.0``.

    The folder beside the module is read: importlib.metadata takes as long to import as the rest of
    the runtime. Without such a folder, as in a clone, it is the name alone; empty where nothing is
    installed.
    """
    for package in entry.packages:
        if is_importable(package.module):
            return f"{package.name} {_version(package)}".rstrip()
    return ""


def _version(package: EnginePackage) -> str:
    spec = find_spec(package.module)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return _versions(Path(folders[0]).parent).get(_normal(package.name), "") if folders else ""


@cache
def _versions(folder: Path) -> dict[str, str]:
    """Distribution → version, of the ``.dist-info`` folders in a folder of packages."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # a zip archive
        return {}
    infos = [name.removesuffix(".dist-info") for name in names if name.endswith(".dist-info")]
    return {_normal(name): version for name, _, version in (info.partition("-") for info in infos)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
