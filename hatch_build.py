"""Build hooks of edgecnn: a build of a clone holds what other distributions hold in a release.

``pip install .`` in a clone must work where no index has edgecnn-runtime and edgecnn-weights, so
that build holds their packages, and their requirements are its own. edgecnn-native is of one
platform, the build is of none: a clone's extra `native` is that folder of the clone. A release
(`make dist` sets `RELEASE`) holds none of them and requires the distributions in its own version.
So does a build of a release's sdist, which has only what it holds; hatchling reads its metadata
from PKG-INFO.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

RELEASE = "EDGECNN_RELEASE"
RUNTIME = "runtime/edgecnn_runtime"
WEIGHTS = "weights/edgecnn_weights"
NATIVE = "native"
# Other parts of a clone that its own sdist needs to be built from again.
SOURCES = ("runtime/pyproject.toml", "weights/pyproject.toml")


def is_clone(root: str) -> bool:
    """Whether the build holds the packages of edgecnn-runtime and edgecnn-weights."""
    return not os.environ.get(RELEASE) and Path(root, RUNTIME).is_dir()


class Requirements(MetadataHookInterface):
    """`dependencies` and extras, from the table of this hook and from runtime/pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the two fields of the metadata."""
        extras = dict(self.config["optional-dependencies"])
        runtime = tomllib.loads(Path(self.root, "runtime/pyproject.toml").read_text("utf-8"))
        own = runtime["project"]["optional-dependencies"]
        required = runtime["project"]["dependencies"]
        weights: list[str] = []
        if not is_clone(self.root):
            version = metadata["version"]
            required = [*required, f"edgecnn-runtime=={version}"]
            own = {extra: [f"edgecnn-runtime[{extra}]=={version}"] for extra in own}
            weights = [f"edgecnn-weights=={version}"]
        elif (folder := Path(self.root, NATIVE).resolve()).is_dir():
            own = own | {"native": [f"edgecnn-native @ {folder.as_uri()}"]}
        metadata["dependencies"] = [*required, *self.config["dependencies"]]
        metadata["optional-dependencies"] = own | extras | {"weights": weights}


class Packages(BuildHookInterface[Any]):
    """The packages of the runtime and of the weights, in a wheel or sdist of a clone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them; an editable installation finds them by its path file."""
        if version == "editable" or not is_clone(self.root):
            return
        packages = (RUNTIME, WEIGHTS)
        if self.target_name == "wheel":
            places = {folder: Path(folder).name for folder in packages}
        else:
            places = {folder: folder for folder in (*packages, *SOURCES)}
        build_data["force_include"].update(places)
