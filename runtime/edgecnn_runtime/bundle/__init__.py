"""The bundle file format (.edge): a zip archive of artefacts, golden examples and a manifest.

docs/bundle.md is the specification. The names that other packages use are re-exported here.
"""

from edgecnn_runtime.bundle.golden_arrays import GoldenArrays
from edgecnn_runtime.bundle.read import MANIFEST, ArtefactContent, Bundle

__all__ = ["MANIFEST", "ArtefactContent", "Bundle", "GoldenArrays"]
