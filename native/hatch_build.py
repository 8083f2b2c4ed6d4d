"""Build hook of edgecnn-native: the wheel of one platform, with its shared library.

``EDGECNN_NATIVE_PLATFORM`` names another platform of platforms.py than this machine.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from compile import PACKAGE, compile_library, packaged
from platforms import PLATFORMS, this_platform

PLATFORM = "EDGECNN_NATIVE_PLATFORM"


class Library(BuildHookInterface[Any]):
    """Compile the library, and tag the wheel: any Python 3, one platform."""

    _scratch: tempfile.TemporaryDirectory[str]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to a wheel; an editable installation finds it beside the package."""
        name = os.environ.get(PLATFORM)
        wanted = PLATFORMS[name] if name else this_platform()
        if version == "editable":
            for each in packaged(this_platform()):
                compile_library(each, PACKAGE, self.metadata.version)
            return
        self._scratch = tempfile.TemporaryDirectory()
        folder = Path(self._scratch.name)
        library, note = compile_library(wanted, folder, self.metadata.version)
        for each in packaged(wanted)[1:]:
            module, _ = compile_library(each, folder, self.metadata.version)
            build_data["force_include"][str(module)] = f"edgecnn_native/{module.name}"
        if note:
            self.app.display_warning(note)
        build_data["pure_python"] = False
        # The platform's own tag where the table has none: such a wheel is for this machine.
        if wanted is not None and not note:
            build_data["tag"] = f"py3-none-{wanted.tag}"
        else:
            build_data["tag"] = f"py3-none-{_own_tag()}"
        build_data["force_include"][str(library)] = f"edgecnn_native/{library.name}"
        # Not by its package, which imports numpy.
        source = runpy.run_path(str(PACKAGE / "source.py"))
        for name in source["freestanding_files"](Path(self.root)):
            build_data["force_include"][str(Path(self.root, name))] = f"edgecnn_native/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the library, which is in the wheel."""
        if version != "editable":
            self._scratch.cleanup()


def _own_tag() -> str:
    """This machine's tag, as of a library that is linked with its own C library."""
    from packaging.tags import platform_tags

    tags = list(platform_tags())
    # Those of manylinux promise an older C library than a system's compiler links with.
    return next((tag for tag in tags if tag.startswith("linux_")), tags[0])
