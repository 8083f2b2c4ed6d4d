"""Engines that write and prove the targets of an export: whether they are installed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from edgecnn_runtime.engines import engine_class, is_importable
from edgecnn_runtime.errors import EngineUnavailable

if TYPE_CHECKING:
    from edgecnn_exporters.targets import Target


def with_engines(
    targets: tuple[Target, ...], optional: Collection[str]
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The targets that this machine can write and prove, and a note for each that is left out.

    Args:
        optional: names of targets that are left out where their engine is not installed.

    Raises:
        EngineUnavailable: an engine of another is not; says how to install it.
    """
    kept, notes = [], []
    for target in targets:
        try:
            _check_engine(target)
        except EngineUnavailable as error:
            if target.name not in optional:
                raise
            notes.append(f"{target.name} is left out: {error}")
        else:
            kept.append(target)
    return tuple(kept), tuple(notes)


def _check_engine(target: Target) -> None:
    kind = None if target.engine is None else engine_class(target.engine)
    # tflite-runtime runs TFLite files too, but has not the schema that they are written by.
    is_writable = target.name != "tflite" or is_importable("ai_edge_litert")
    if kind is not None and not (kind.is_installed() and is_writable):
        raise EngineUnavailable(kind.name, kind.extra)
