"""Weak int8 artefacts: those that lose more than int8 should, refused unless allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn_exporters.bundle.accept import Accepted
from edgecnn_exporters.errors import WeakQuantisation
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.weakness import weakness


def flag_weak(
    artefacts: Sequence[Artefact],
    accepted: Sequence[Accepted],
    is_classifier: bool,
    allow_weak: bool,
) -> list[Artefact]:
    """The artefacts, weak ones flagged.

    Raises:
        WeakQuantisation: one is weak, and none may be.
    """
    flagged = []
    for artefact, one in zip(artefacts, accepted, strict=True):
        reason = None
        if artefact.precision == "int8" and one.difference is not None:
            reason = weakness(one.difference, is_classifier)
        if reason is not None and not allow_weak:
            raise WeakQuantisation(
                f"{artefact.path} is weak: {reason}; nothing was written. --calibrate FOLDER with "
                "more of your data, --recipe best or --min-agreement 0.95 may mend it; "
                "--allow-weak writes it behind the float artefact"
            )
        flagged.append(replace(artefact, is_weak=reason is not None))
    return flagged
