"""The tables of docs/parity.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.parity.rows import ENGINES, Job, Row
from edgecnn_runtime.parity.proportion import wilson_interval
from edgecnn_runtime.parity.tolerances import ALLOWED_LOSS_DB, TOLERANCES, allowed_loss_db

PAIRS = (
    ("onnxruntime", "litert"),
    ("onnxruntime", "openvino"),
    ("onnxruntime", "tflite-runtime"),
    ("litert", "tflite-runtime"),
)


def name_of(proof: Row) -> str:
    """Name of the engine; preprocessing is edgecnn's own."""
    return ENGINES.get(proof["engine"], "edgecnn")


def floats(done: Mapping[Job, Row]) -> str:
    columns = [("fp32", name) for name in ENGINES] + [("fp16", name) for name in list(ENGINES)[1:]]
    head = ["network", "weights", *(f"{ENGINES[name]} {kind[2:]}" for kind, name in columns)]
    body = []
    for job, row in done.items():
        proofs = {(proof["precision"], proof["engine"]): proof for proof in row["proofs"]}
        own = [proof for (kind, _), proof in proofs.items() if kind == "fp32"]
        agreed, n = (sum(proof[key] or 0 for proof in own) for key in ("agreed", "n"))
        cells = [_error(proofs.get(key), key[0] in row.get("refused", ())) for key in columns]
        body.append([job.network, job.weights, *cells, f"{agreed}/{n}", str(row["transposes"])])
    return table([*head, "top-1, 32", "TRANSPOSE"], body)


def _error(proof: Row | None, is_refused: bool) -> str:
    if proof is None:
        return "refused" if is_refused else "–"
    if proof["relative"] is None:
        return f"**{proof['verdict']}**"
    error = power(proof["relative"])
    return error if proof["verdict"] == "equal" else f"**{error}**"


def trained(done: Mapping[Job, Row], precision: str) -> str:
    """Signal to noise ratio and agreement with PyTorch, engine by engine."""
    names = list(ENGINES) if precision == "int8" else list(ENGINES)[1:]
    body = []
    for job, row in done.items():
        answers = {
            one["engine"]: one for one in row.get("answers", ()) if one["precision"] == precision
        }
        if answers:
            cells = [_answer(answers[name]) if name in answers else "–" for name in names]
            n = next(iter(answers.values()))["n"]
            body.append([f"{job.network}-{job.weights}", f"{n:,}", *cells])
    return table(["network", "images", *(ENGINES[name] for name in names)], body)


def _answer(answer: Row) -> str:
    return f"{answer['sqnr_db']:.1f} dB, {_share(answer['agreed'], answer['n'])}"


def _share(agreed: int, n: int) -> str:
    low, high = wilson_interval(agreed, n)
    return f"{100 * agreed / n:.2f} ({100 * low:.1f}–{100 * high:.1f})"


def between(done: Mapping[Job, Row], precision: str) -> str:
    """Top-1 agreement between engines, whatever PyTorch's class is."""
    body = []
    for job, row in done.items():
        answers = [one for one in row.get("answers", ()) if one["precision"] == precision]
        same = {
            frozenset((one["engine"], other)): (count, one["n"])
            for one in answers
            for other, count in one["agreed_with"].items()
        }
        cells = [
            _share(*same[frozenset(pair)]) if frozenset(pair) in same else "–" for pair in PAIRS
        ]
        if answers:
            body.append([f"{job.network}-{job.weights}", *cells])
    return table(["network", *(f"{ENGINES[b]} as {ENGINES[a]}" for a, b in PAIRS)], body)


def tolerances() -> str:
    body = [
        [name, f"{power(tolerance.relative)} of the largest output", tolerance.reason]
        for name, tolerance in TOLERANCES.items()
    ]
    eight = (
        "at most the noise of quantising once more: integer kernels round the same sum to "
        "neighbouring steps, which doubles its power; a saturated product or a wrong zero point "
        "costs ten decibels and more"
    )
    limit = (
        f"{ALLOWED_LOSS_DB:.0f} dB less than where it was exported, and two deviations of what so "
        f"few numbers tell: {allowed_loss_db(30):.1f} dB in all for thirty logits"
    )
    body.append(["int8", limit, eight])
    return table(["precision", "may differ from PyTorch by", "because"], body)


def power(value: float) -> str:
    """1.2e-6, without the zero that Python writes."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if value else "0"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    words = 2 if head[:2] == ["network", "weights"] else 1
    rule = ["---" if i < words or "because" in head else "---:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))
