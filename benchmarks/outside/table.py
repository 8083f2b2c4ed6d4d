"""Verdicts on the artefacts of `benchmarks.outside.export`, as a table and a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FP32_RELATIVE = 1e-4
# Of PyTorch's own rounding to float32: a network that magnifies it that much says nothing.
ROUNDINGS = 10
# 15 dB make an artefact weak; inputs that the export did not see may show 3 less, which is what
# `verify` allows as well.
INT8_DB = 12.0
Row = Mapping[str, Any]


def line(network: str, precision: str, cells: Sequence[str], seconds: object) -> str:
    """One line of the table: a cell for ONNX and for each target."""
    return f"{network:<44}{precision:<10}{''.join(f'{each:<16}' for each in cells)}{seconds:>8}"


def print_row(row: Row) -> None:
    """One line for each precision, and the words of each refusal below."""
    precisions = ("fp32", row["quantise"]) if row["quantise"] else ("fp32",)
    for precision in precisions:
        cells = [cell(row, format_, precision) for format_ in ("onnx", *row["targets"])]
        print(line(row["network"], precision, cells, row["seconds"]))
    for words in dict.fromkeys(filter(None, map(_complaint, row["attempts"]))):
        print(f"    {words}")
    print(end="", flush=True)


def _complaint(attempt: Row) -> str:
    """What edgecnn said instead of exporting, or what kept the artefacts from being judged."""
    if attempt["outcome"] != "exported":
        return f"{attempt['outcome']}: {attempt['words']}"
    return f"not judged: {attempt['judge_fails']}" if "judge_fails" in attempt else ""


def cell(row: Row, format_: str, precision: str) -> str:
    """The error of the artefact, or why there is none."""
    outcome = "–"
    for each in row["attempts"]:
        for artefact in each.get("artefacts", ()):
            if (artefact["format"], artefact["precision"]) == (format_, precision):
                return _error(artefact, each)
        if format_ in ("onnx", *each["targets"]):
            outcome = each["outcome"]
    return outcome


def _error(artefact: Row, attempt: Row) -> str:
    if "fails" in artefact:
        return "FAILS"
    verdict = "WRONG " if is_wrong(artefact, attempt) else "weak " if artefact["is_weak"] else ""
    if artefact["precision"] == "fp32":
        worst = max(artefact[kind]["relative"] for kind in ("photographs", "leaves"))
        return f"{verdict}{worst:.1e}"
    sqnr = artefact["photographs"]["sqnr_db"]
    return f"{verdict}{'equal' if sqnr is None else f'{sqnr:.1f} dB'}"


def is_wrong(artefact: Row, attempt: Row) -> bool:
    """Whether an artefact that was written deviates; it is one that no engine runs, too."""
    if "fails" in artefact:
        return True
    if artefact["precision"] == "int8":
        sqnr = artefact["photographs"]["sqnr_db"]
        is_told = artefact["is_weak"] or any("hardly" in each for each in attempt["warnings"])
        return sqnr is not None and sqnr < INT8_DB and not is_told
    return any(
        artefact[kind]["relative"]
        > max(FP32_RELATIVE, ROUNDINGS * (artefact[kind]["rounding"] or 0.0))
        for kind in ("photographs", "leaves")
    )


def print_summary(rows: Sequence[Row]) -> None:
    """n networks; exported to all targets; to some; to none; tracebacks; wrong artefacts."""
    full = [row for row in rows if row["attempts"][0]["outcome"] == "exported"]
    some = [row for row in rows if row not in full and _outcomes(row, "exported")]
    tracebacks = [row for row in rows if _outcomes(row, "traceback") or _outcomes(row, "crashed")]
    late = [row for row in rows if _outcomes(row, "timed out")]
    wrong = [(row["network"], name) for row in rows for name in wrong_artefacts(row)]
    print(
        f"\n{len(rows)} networks: {len(full)} exported, {len(some)} to some targets only, "
        f"{len(rows) - len(full) - len(some)} refused, {len(tracebacks)} with a traceback or a "
        f"crash, {len(late)} too slow, {len(wrong)} wrong artefacts of "
        f"{len({network for network, _ in wrong})} networks"
    )


def wrong_artefacts(row: Row) -> list[str]:
    """Names of the artefacts that are wrong."""
    return [
        artefact["artefact"]
        for each in row["attempts"]
        for artefact in each.get("artefacts", ())
        if is_wrong(artefact, each)
    ]


def _outcomes(row: Row, outcome: str) -> bool:
    return any(each["outcome"] == outcome for each in row["attempts"])
