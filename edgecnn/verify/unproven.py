"""Why a bundle's answers cannot be verified: it has no golden examples."""

from __future__ import annotations

from edgecnn.bundles.members import parent_of
from edgecnn_runtime.bundle import Bundle


def why_unproven(bundle: Bundle) -> str | None:
    """The reason, with what verifies it instead; None for a bundle with golden examples."""
    if bundle.manifest.golden:
        return None
    parent = parent_of(bundle.manifest.provenance)

    origin = "" if parent is None else f" (stripped from the one with sha256 {parent[:12]}…)"
    return (
        f"{bundle.path} has no golden examples{origin}: its digests are as listed, and no answer "
        f"can be verified; edgecnn verify PARENT.edge --against {bundle.path} takes those of the "
        "bundle that it came from"
    )
