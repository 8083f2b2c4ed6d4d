"""Path of the bundle that a learning writes, checked before the work begins."""

from __future__ import annotations

from pathlib import Path

from edgecnn.bundles.output import SUFFIX, behind_link, output_path, refuse_loss
from edgecnn.errors import OverwriteRefused

LEARNT = ".learnt"
STATE_SUFFIX = ".learning"
# Artefacts that a learning writes anew.
WRITTEN = (("onnx", "fp32"), ("onnx", "int8"))


def learnt_path(bundle: Path, output: Path | None, name: str, *, force: bool) -> Path:
    """The path of the new bundle: `output`, or NAME.learnt.edge beside the given one.

    Args:
        name: of the network, which a bundle that is replaced must have.
        force: replace whatever is there.

    Raises:
        OverwriteRefused: it is the given bundle and was not named, or a bundle of another network
            or with artefacts that the new one would lack.
        OutputNotWritable: its folder is missing or not writable, or it has another suffix.
    """
    own = bundle.stem.removesuffix(LEARNT)
    path = bundle.with_name(f"{own}{LEARNT}{SUFFIX}") if output is None else output
    path = behind_link(output_path(path, f"{own}{LEARNT}", "a learning"))
    if force:
        return path
    if path.exists() and path.samefile(bundle):
        if output is None:
            raise OverwriteRefused(
                f"{path} would be replaced by what is learnt from it; give -o {path} or --force to "
                f"do so, or -o another{SUFFIX}"
            )
        return path
    refuse_loss(path, name, WRITTEN)
    return path


def state_path(output: Path) -> Path:
    """The file that a learning is resumed from, beside the bundle that it will write."""
    return output.with_name(f"{output.name}{STATE_SUFFIX}")
