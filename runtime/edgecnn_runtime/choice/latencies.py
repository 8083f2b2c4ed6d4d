"""Known latencies of artefacts on engines: of this machine's benches, and of those in a bundle."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from edgecnn_runtime.host.processor import Processor, usable_cores

TIMED = ("equal", "unproven")
"""Verdicts of a bench whose latency counts; `WRONG` is another, and others crash or are refused."""
WRONG = "differs"
VERDICTS = (*TIMED, WRONG, "crashed", "refused")
_TEXT = 200


class KnownLatency(NamedTuple):
    """A row of a bench: one artefact on one engine, at batch 1.

    Attributes:
        sha256: of the artefact's file.
        engine: its name.
        package: of the engine, with its version, as `packages.installed_version` names it.
        threads: of the engine.
        verdict: of its answers to the golden examples.
        median_ms: None where it was not timed.
        processor: its name.
        features: its instruction sets.
        on: date of the bench, such as ``2026-11-30``.
    """

    sha256: str
    engine: str
    package: str
    threads: int
    verdict: str
    median_ms: float | None
    processor: str
    features: tuple[str, ...]
    on: str

    @property
    def key(self) -> tuple[object, ...]:
        """What a later measurement of the same has in common with this one."""
        return (
            *(self.sha256, self.engine, self.package, self.threads),
            *(self.processor, self.features),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return self._asdict() | {"features": list(self.features)}

    def is_of(self, processor: Processor) -> bool:
        """Whether it was measured on such a processor, with no more threads than can run here."""
        machine = (processor.name or "", processor.features)
        return (self.processor, self.features) == machine and self.threads <= usable_cores()


def latency_from_json(value: object) -> KnownLatency | None:
    """The row that `to_json` wrote; None for anything else, whoever wrote it."""
    if not isinstance(value, dict) or value.keys() != {*KnownLatency._fields}:
        return None
    names = ("sha256", "engine", "package", "verdict", "processor", "on")
    is_text = all(isinstance(value[name], str) and len(value[name]) <= _TEXT for name in names)
    features, threads, median = value["features"], value["threads"], value["median_ms"]
    if not is_text or value["verdict"] not in VERDICTS or not _is_list_of_texts(features):
        return None
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value["on"]):
        return None
    if type(threads) is not int or not 1 <= threads <= 1024:
        return None
    if not (median is None or (type(median) in (int, float) and 0 < median < math.inf)):
        return None
    if value["verdict"] in TIMED and median is None:
        return None
    return KnownLatency(**value | {"features": tuple(features)})


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def latencies_from_json(values: object, most: int = 1000) -> tuple[KnownLatency, ...]:
    """The rows in a list of JSON values; what is none is left out."""
    if not isinstance(values, list):
        return ()
    rows = map(latency_from_json, values[:most])
    return tuple(row for row in rows if row is not None)


def fastest_of(rows: Iterable[KnownLatency], threads: int | None) -> KnownLatency | None:
    """The fastest row that answered rightly; None where there is none.

    Args:
        threads: only rows of as many; None for any number.
    """
    timed = [
        (row.median_ms, row.threads, row)
        for row in rows
        if row.verdict in TIMED and row.median_ms is not None and threads in (None, row.threads)
    ]
    return min(timed, key=lambda each: each[:2])[2] if timed else None


def worst_verdict(rows: Sequence[KnownLatency]) -> str | None:
    """The verdict of rows that answered wrongly, crashed or were refused; None without one."""
    verdicts = {row.verdict for row in rows} - {*TIMED}
    return next((one for one in VERDICTS if one in verdicts), None)
