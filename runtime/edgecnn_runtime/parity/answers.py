"""Verified golden answers of an artefact on one engine, bit by bit, with instruction marks.

An emulator counts the instructions between two marks. On every other machine a mark has no effect.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle, GoldenArrays
from edgecnn_runtime.engines.adapted import adapt, one_run
from edgecnn_runtime.engines.engine_id import EngineId, engine_id
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.errors import BundleError, EngineUnavailable
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verdict import ParityVerdict
from edgecnn_runtime.parity.verify import REFUSALS, judge
from edgecnn_runtime.session import zero_feeds

Answers = Mapping[str, Array]

# No process has so high a number: pid_max is 2^22 at most (proc_sys_kernel(5)).
MARKER = 0x7E570000
FIRST_RESULT = 1
"""Mark: the artefact is open and has given its first result, as after a cold start."""
FIRST_COUNTED = 16
"""Mark: a counted run begins; the next mark ends it and begins the next run."""
# After the golden examples: Python's interpreter specialises code in its first calls (PEP 659),
# engines allocate in theirs. An emulated run of a large network takes seconds.
WARMUP_RUNS = 2


@dataclass(frozen=True)
class Verification:
    """Result of `verify_answers`: parity, output digests, peak memory.

    Attributes:
        parity: comparison with the original network.
        outputs: of each golden example: output → sha256 of its type, shape and bytes. Equal on two
            machines whose answers are identical, bit by bit.
        peak_memory_bytes: the largest resident set of the process after its first result.
        counted_runs: number of runs between marks.
    """

    parity: Parity
    outputs: tuple[Mapping[str, str], ...] = ()
    peak_memory_bytes: int | None = None
    counted_runs: int = 0

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"parity": self.parity.to_json()}


def verify_answers(
    bundle: Bundle,
    artefact: Artefact,
    kind: type[Engine],
    *,
    threads: int | None = 1,
    counted_runs: int = 0,
    batch: int | None = None,
) -> tuple[Verification, tuple[Answers, ...]]:
    """Verify the golden answers, then make `counted_runs` more runs between marks.

    Args:
        batch: images of a counted run; None is one.

    Returns:
        The verification, and the outputs of each golden example, or of zeros where there is none:
        they are "unproven". An engine's refusal is a verdict, without outputs.

    Raises:
        BundleError: the artefact does not match the manifest.
    """
    try:
        identity = engine_id(kind)
    except EngineUnavailable as error:
        note = f"{error.reason}, {error.fix}"
        return Verification(_unanswered(artefact, EngineId(kind.name), "skipped", note)), ()
    content = bundle.read_artefact(artefact)
    try:
        with bundle.budget.step():
            engine = kind.open(content.model, weights=content.weights, threads=threads)
    except REFUSALS as error:
        return Verification(_refused(artefact, identity, error)), ()
    try:
        return _run_examples(bundle, artefact, engine, identity, counted_runs, batch)
    except REFUSALS as error:
        return Verification(_refused(artefact, identity, error)), ()
    finally:
        engine.close()


def find_artefact(bundle: Bundle, path: str) -> Artefact:
    """The artefact with this path in the bundle.

    Raises:
        BundleError: there is none; the message lists the bundle's artefacts.
    """
    for artefact in bundle.manifest.artefacts:
        if artefact.path == path:
            return artefact
    listing = ", ".join(artefact.path for artefact in bundle.manifest.artefacts)
    raise BundleError(f"{bundle.path} has no artefact {path}; it has {listing}")


def mark(number: int) -> None:
    """Mark a point of the program by the argument of a system call without effect."""
    with contextlib.suppress(OSError):
        os.getpriority(os.PRIO_PROCESS, MARKER + number)


def _run_examples(
    bundle: Bundle,
    artefact: Artefact,
    engine: Engine,
    identity: EngineId,
    counted_runs: int,
    batch: int | None,
) -> tuple[Verification, tuple[Answers, ...]]:
    model = adapt(engine, bundle.manifest, artefact)
    compared: list[Answer] = []
    answers: list[Answers] = []
    peak = None
    for examples, is_outside in ((_inside(bundle), False), (bundle.outside() or (), True)):
        for example in examples:
            with bundle.budget.step():
                outputs = model.run(example.inputs)
            if peak is None:
                mark(FIRST_RESULT)
                peak = peak_memory_bytes()
            answers.append(outputs)
            for name, one in example.outputs.items():
                compared.append(Answer(name, one, outputs[name], is_outside))
    if compared:
        parity = judge(artefact, identity, compared, bundle.manifest.groups)
    else:
        parity = _unanswered(artefact, identity, "unproven", "no golden examples: zeros were fed")
    digests = tuple({name: digest(array) for name, array in one.items()} for one in answers)
    feeds = next(_inside(bundle)).inputs
    feeds = {name: repeated(array, batch) for name, array in feeds.items()}
    run_counted(one_run(model, feeds), counted_runs)
    return Verification(parity, digests, peak, counted_runs), tuple(answers)


def _inside(bundle: Bundle) -> Iterator[GoldenArrays]:
    """The golden examples in the bundle; one of zeros, without outputs, where there is none."""
    for index in range(len(bundle.manifest.golden)):
        yield bundle.golden(index)
    if not bundle.manifest.golden:
        yield GoldenArrays(zero_feeds(bundle.manifest), {}, None)


def repeated(array: Array, batch: int | None) -> Array:
    """The rows in their order, again and again, so many in all; None is as they are."""
    if batch is None:
        return array
    return np.ascontiguousarray(array[np.arange(batch) % len(array)])


def run_counted(run: Callable[[], object], counted_runs: int) -> None:
    """Run the engine alone `counted_runs` times, with marks around each run."""
    if not counted_runs:
        return
    for _ in range(WARMUP_RUNS):
        run()
    for number in range(counted_runs):
        mark(FIRST_COUNTED + number)
        run()
    mark(FIRST_COUNTED + counted_runs)


def _refused(artefact: Artefact, engine: EngineId, error: Exception) -> Parity:
    return _unanswered(artefact, engine, "differs", f"does not run: {error}")


def _unanswered(artefact: Artefact, engine: EngineId, verdict: ParityVerdict, note: str) -> Parity:
    return Parity(artefact.path, engine, artefact.precision, verdict, None, note)


def save_answers(path: str, answers: Sequence[Answers]) -> None:
    """Write the outputs of all golden examples as an ``.npz`` that `load_answers` reads."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, one in enumerate(answers):
            for name, array in one.items():
                with archive.open(f"{number}/{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)


def load_answers(path: str | os.PathLike[str]) -> tuple[Answers, ...]:
    """Read the outputs that `save_answers` wrote.

    Raises:
        ValueError, OSError: the file is damaged or missing.
    """
    answers: dict[int, dict[str, Array]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, _, name = key.partition("/")
            answers.setdefault(int(number), {})[name] = arrays[key]
    return tuple(answers[number] for number in sorted(answers))


def digest(array: Array) -> str:
    """The sha256 of an array's type, shape and bytes in C order, as hex."""
    sha256 = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()
