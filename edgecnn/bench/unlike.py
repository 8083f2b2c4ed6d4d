"""Baselines that read another input or give other classes: a bench of two tasks."""

from __future__ import annotations

from pathlib import Path

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import BundleError
from edgecnn_runtime.manifest import Manifest


def unlike_baseline(bundle: Path, against: Path | None) -> str | None:
    """A sentence where two bundles are for different tasks; None where they are alike.

    A file that is no bundle is judged by what opens it.
    """
    if against is None:
        return None
    try:
        with Bundle(bundle) as one, Bundle(against) as other:
            tasks = [_task(each.manifest) for each in (one, other)]
    except BundleError:
        return None
    if tasks[0] == tasks[1]:
        return None
    return (
        f"{bundle} reads {tasks[0][0]} and answers {tasks[0][1]}; {against} reads {tasks[1][0]} "
        f"and answers {tasks[1][1]}: the verdict compares two tasks. Is --against the right bundle?"
    )


def _task(manifest: Manifest) -> tuple[str, str]:
    """Shapes of the inputs and of the outputs, for one example, as words."""
    inputs, outputs = (
        ", ".join("x".join(map(str, spec.shape[1:])) for spec in specs)
        for specs in (manifest.inputs, manifest.outputs)
    )
    return inputs, outputs
