"""docs/parity.md from the rows that networks.py keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.parity.rows import Job, Row, jobs
from benchmarks.parity.table import between, floats, name_of, power, tolerances, trained
from edgecnn.zoo import ARCHITECTURES
from edgecnn_runtime.parity.tolerances import TOLERANCES

HEAD = """
# Parity

Every architecture of the zoo is exported once and then run as every artefact, in every engine that
opens it, in every precision; this page shows how far each is from PyTorch. A network is captured
at batch 1, 2, 3 and 7. Below, three photographs are compared, prepared as
the network needs them, one at a time, and for trained networks test images as well.
"""
FLOATS = """
## Float

The largest error of any output, relative to the largest output: of float32 (32; {single} is
allowed), and of weights stored in 16 bits and computed with in float32 (16; {half} is allowed).
Top-1 counts the engines' answers in float32 that name PyTorch's class. The last column counts the
TRANSPOSE operators in the TFLite files.

Networks with random weights are of full size. Fresh batch normalisations would change nothing, so
theirs have random weights and statistics of photographs (`edgecnn/model/settle.py`).
Training has not made them robust: rounding their weights costs up to three times what it costs a
trained network. Those called `cifar10`, `mnist` and `fashion-mnist` are the small forms of
[checkpoints.md](checkpoints.md), `imagenet` is the published weights.
"""
EIGHTS = """
## 8 bits

Trained networks, quantised once with 128 training images (those of ImageNet with 32 crops and
mirror images of edgecnn's four photographs), recipe `balanced`. A cell holds the ratio of signal to
quantisation noise, PyTorch being the signal, and the share of images in percent that get PyTorch's
class, with its 95 % interval by Wilson. The images are the first of the test set; for ImageNet
five crops each of twenty photographs.

The engine native has no column: its results are ONNX Runtime's integers, bit for bit. Only those of
ConvTranspose and LRN may differ by a step, because ONNX Runtime computes these in floats
([native.md](native.md#operators)).
"""
BETWEEN = """
The share of images in percent that two engines give the same class, from the one quantised graph:
"""
HALVES = """
## 16 bits

The same, of weights stored in 16 bits. ONNX Runtime has no such artefact.
"""
TOLERATED = """
## Tolerances
"""
PRINTING = """
## Printing it

```sh
make .venv/.ready .venv-tflite/.ready
.venv/bin/python -m benchmarks.parity.networks
```

takes about an hour on two cores, small networks first, and prints this page. Each network's
result is kept at once as a line of `benchmarks/results/parity/networks.jsonl`: a second run
continues where the first was interrupted, and repeats what was done with other versions. With
`resnet50` it runs that network only, with `--again` also those that are there, with
`--images 10000` it takes all test images, and with `--table` it runs nothing and writes the page
from the lines.

Of one bundle, `edgecnn verify BUNDLE` prints the same, and the cause of a difference.
"""


def render(rows: Mapping[Job, Row]) -> str:
    """The page."""
    order = [job for job in jobs() if job in rows]
    done = {job: rows[job] for job in order if "error" not in rows[job]}
    parts = [
        HEAD,
        _summary(done),
        _failures(rows, order),
        _machine(done.values()),
        FLOATS.format(
            single=power(TOLERANCES["fp32"].relative), half=power(TOLERANCES["fp16"].relative)
        ),
        floats(done),
        EIGHTS,
        trained(done, "int8"),
        BETWEEN,
        between(done, "int8"),
        HALVES,
        trained(done, "fp16"),
        TOLERATED,
        tolerances(),
        PRINTING,
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _summary(done: Mapping[Job, Row]) -> str:
    proofs = [
        (job, proof)
        for job, row in done.items()
        for proof in row["proofs"]
        if proof["precision"] == "fp32" and proof["relative"] is not None
    ]
    if not proofs:
        return "Nothing was run yet."
    networks = {job.network for job in done}
    every = [proof["verdict"] for row in done.values() for proof in row["proofs"]]
    job, worst = max(proofs, key=lambda pair: pair[1]["relative"])
    agreed, n = (sum(proof[key] for _, proof in proofs) for key in ("agreed", "n"))
    transposes = sum(row["transposes"] for row in done.values())
    return f"""
- {len(networks)} of {len(ARCHITECTURES)} architectures, {len(done)} of {len(jobs())} rows:
  each with random weights, and with all trained ones that there are.
- In float32 the largest error is {power(worst["relative"])} of the largest output: {job.network}
  ({job.weights}) in {name_of(worst)}.
- In float32 {agreed:,} of {n:,} answers name PyTorch's class.
- {every.count("equal"):,} of {len(every):,} verdicts of `edgecnn verify` are "equal".
- {transposes} TRANSPOSE operators in all TFLite files.
"""


def _failures(rows: Mapping[Job, Row], order: Sequence[Job]) -> str:
    """Failures and missing rows, in words."""
    lines = []
    for job in order:
        row, name = rows[job], f"{job.network} ({job.weights})"
        if "error" in row:
            lines.append(f"- {name}: {row['error'].partition(';')[0]}")
        lines += [f"- {name}: refused, {reason}" for reason in row.get("refused", {}).values()]
        lines += [
            f"- {name}: {proof['artefact']} {proof['verdict']} in {name_of(proof)}, {proof['note']}"
            for proof in row.get("proofs", ())
            if proof["verdict"] != "equal"
        ]
    left = [f"{job.network} ({job.weights})" for job in jobs() if job not in rows]
    if left:
        lines.append(f"- Not run: {', '.join(left)}.")
    return "\n".join(["## What is not equal, or was not run", "", *(lines or ["Nothing."])])


def _machine(rows: Iterable[Row]) -> str:
    """Every combination of machine and versions that rows are of."""
    machines = Counter(
        f"{row['machine']}, Python {row['python']}; "
        + ", ".join(f"{name} {version}" for name, version in row["versions"].items() if version)
        for row in rows
    )
    dates = sorted(row["date"][:10] for row in rows)
    lines = [f"- {what} ({count} rows)" for what, count in machines.items()]
    span = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "–"
    return "\n".join([f"## Versions and machine, {span}", "", *lines])
