"""Bit-exact outputs of an artefact on one engine, with marks for instruction counting.

An emulator can count the instructions between two marks. On every other machine they do nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import Engine
from edgecnn_runtime.engines.adapted import Model, adapt, one_run
from edgecnn_runtime.engines.identity import EngineId, engine_id
from edgecnn_runtime.errors import BundleError, EngineUnavailable
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.golden import Answer
from edgecnn_runtime.parity.row import Parity, ParityVerdict
from edgecnn_runtime.parity.verify import REFUSALS, judge

Answers = Mapping[str, Array]

# No process has a number as high: pid_max is 2^22 at most (proc_sys_kernel(5)).
MARKER = 0x7E570000
FIRST_RESULT = 1
"""Mark: the artefact is open and has answered once, as after a cold start."""
FIRST_COUNTED = 16
"""Mark: a counted run begins; the next mark ends it, and begins the next."""
# After the golden examples: Python's interpreter specialises code in its first calls (PEP 659),
# engines allocate in theirs. An emulated run of a large network takes seconds.
WARMUP_RUNS = 2


@dataclass(frozen=True)
class Proof:
    """Proof of an artefact on one engine: parity, output digests, memory.

    Attributes:
        parity: held to the original network.
        outputs: of each golden example: output → sha256 of its type, shape and bytes. Equal on two
            machines where the answers are identical, bit for bit.
        peak_memory_bytes: the largest resident set of the process after its first result.
        counted_runs: runs between marks.
    """

    parity: Parity
    outputs: tuple[Mapping[str, str], ...] = ()
    peak_memory_bytes: int | None = None
    counted_runs: int = 0

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"parity": self.parity.to_json()}


def prove(
    bundle: Bundle,
    artefact: Artefact,
    kind: type[Engine],
    *,
    threads: int | None = 1,
    counted_runs: int = 0,
) -> tuple[Proof, tuple[Answers, ...]]:
    """Run the golden examples, then as many more as are to be counted.

    Returns:
        The proof, and what each golden example was answered. What an engine refuses is a verdict,
        without answers.

    Raises:
        BundleError: the artefact is not what the bundle says, or there are no golden examples.
    """
    if not bundle.manifest.golden:
        raise BundleError(f"{bundle.path} has no golden examples to answer; export it again")
    try:
        identity = engine_id(kind)
    except EngineUnavailable as error:
        note = f"{error.reason}, {error.fix}"
        return Proof(_unanswered(artefact, EngineId(kind.name), "skipped", note)), ()
    content = bundle.read_artefact(artefact)
    try:
        engine = kind.open(content.model, weights=content.weights, threads=threads)
    except REFUSALS as error:
        return Proof(_unanswered(artefact, identity, "differs", f"does not run: {error}")), ()
    try:
        return _answered(bundle, artefact, engine, identity, counted_runs)
    except REFUSALS as error:
        return Proof(_unanswered(artefact, identity, "differs", f"does not run: {error}")), ()
    finally:
        engine.close()


def find_artefact(bundle: Bundle, path: str) -> Artefact:
    """The artefact of a bundle that lies at `path` in it.

    Raises:
        BundleError: there is none; lists those that there are.
    """
    for artefact in bundle.manifest.artefacts:
        if artefact.path == path:
            return artefact
    listing = ", ".join(artefact.path for artefact in bundle.manifest.artefacts)
    raise BundleError(f"{bundle.path} has no artefact {path}; it has {listing}")


def mark(number: int) -> None:
    """A system call without effect, whose argument names a point of the program."""
    with contextlib.suppress(OSError):
        os.getpriority(os.PRIO_PROCESS, MARKER + number)


def _answered(
    bundle: Bundle, artefact: Artefact, engine: Engine, identity: EngineId, counted_runs: int
) -> tuple[Proof, tuple[Answers, ...]]:
    model = adapt(engine, bundle.manifest, artefact)
    compared: list[Answer] = []
    answers: list[Answers] = []
    peak = None
    for index in range(len(bundle.manifest.golden)):
        example = bundle.golden(index)
        found = model.run(example.inputs)
        if peak is None:
            mark(FIRST_RESULT)
            peak = peak_memory_bytes()
        answers.append(found)
        compared += [Answer(name, one, found[name]) for name, one in example.outputs.items()]
    parity = judge(artefact, identity, compared)
    outputs = tuple({name: digest(array) for name, array in one.items()} for one in answers)
    _count(model, bundle.golden(0).inputs, counted_runs)
    return Proof(parity, outputs, peak, counted_runs), tuple(answers)


def _count(model: Model, feeds: Mapping[str, Array], counted_runs: int) -> None:
    """Marks around each of so many runs, of the engine alone."""
    if not counted_runs:
        return
    run = one_run(model, feeds)
    for _ in range(WARMUP_RUNS):
        run()
    for number in range(counted_runs):
        mark(FIRST_COUNTED + number)
        run()
    mark(FIRST_COUNTED + counted_runs)


def _unanswered(artefact: Artefact, engine: EngineId, verdict: ParityVerdict, note: str) -> Parity:
    return Parity(artefact.path, engine, artefact.precision, verdict, None, note)


def save_answers(path: str, answers: Sequence[Answers]) -> None:
    """Write an ``.npz`` that `load_answers` reads."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, one in enumerate(answers):
            for name, array in one.items():
                with archive.open(f"{number}/{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)


def load_answers(path: str | os.PathLike[str]) -> tuple[Answers, ...]:
    """Read the outputs that `save_answers` wrote.

    Raises:
        ValueError, OSError: it is damaged, or not there.
    """
    answers: dict[int, dict[str, Array]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, _, name = key.partition("/")
            answers.setdefault(int(number), {})[name] = arrays[key]
    return tuple(answers[number] for number in sorted(answers))


def digest(array: Array) -> str:
    """The sha256 of an array's type, shape and bytes, in the order of C."""
    made = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()
