"""Search for the causes of all rows that differ.

In a process of its own an engine that dies in a search takes no row with it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from edgecnn.caller_script import caller_script_left_out
from edgecnn.verify.diagnose import (
    RowDiagnosis,
    Subject,
    find_cause,
    known_answers,
    subjects_of,
)
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.host.process import signal_name
from edgecnn_runtime.install_hint import install_hint
from edgecnn_runtime.parity.row import Parity

TIMEOUT_S = 600


def find_causes(
    bundle: Bundle, rows: Sequence[Parity], reproduce: Path | None, *, isolated: bool = False
) -> list[RowDiagnosis]:
    """Find the cause of every row that differs, once for each subject.

    Whatever goes wrong in a search is the reason of its row: the others are searched all the same.

    Args:
        reproduce: folder to write each cause to, as one node, its inputs and a script, or None.
        isolated: search in another process, so that an engine's crash is a reason too.

    Raises:
        OutputNotWritable: the folder cannot be written.
    """
    subjects, known = subjects_of(rows), known_answers(rows)
    try:
        from edgecnn_exporters.diagnose.bundles.references import References
    except ModuleNotFoundError as error:
        missing = f"the cause cannot be searched for: {error.name} is not installed; "
        reason = f"{missing}{install_hint('export')}"
        return [RowDiagnosis(each.name, None, reason) for each in subjects if each.ran]
    if isolated:
        return find_isolated(bundle.path, known, subjects, reproduce)
    references = References(bundle, known)
    found = (find_cause(references, each, reproduce) for each in subjects)
    return [each for each in found if each is not None]


def find_isolated(
    bundle: str,
    known: Mapping[str, bool],
    subjects: Sequence[Subject],
    reproduce: Path | None,
    timeout_s: float = TIMEOUT_S,
) -> list[RowDiagnosis]:
    """Find the cause of each subject; one whose search ends the process gets a reason.

    The diagnoses are without the `Case`, which stays in the process.

    Args:
        bundle: its path.
        known: whether an artefact answers the golden inputs, by its path.
        timeout_s: for each subject.

    Raises:
        OutputNotWritable: the folder `reproduce` cannot be written.
    """
    found: list[RowDiagnosis] = []
    pending = list(subjects)
    while pending:
        for subject, result in zip(
            list(pending), _search(bundle, known, pending, reproduce, timeout_s), strict=False
        ):
            pending.remove(subject)
            if result is not None:
                found.append(result)
    return found


def _search(
    bundle: str,
    known: Mapping[str, bool],
    subjects: Sequence[Subject],
    reproduce: Path | None,
    timeout_s: float,
) -> Iterator[RowDiagnosis | None]:
    """Results of one process, in order, up to the subject at which it ended."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = (sender, bundle, dict(known), list(subjects), reproduce)
    process = context.Process(target=_work, args=arguments, daemon=True)
    with caller_script_left_out():
        process.start()
    sender.close()
    try:
        for subject in subjects:
            if not receiver.poll(timeout_s):
                yield _ended(subject, f"gave no answer in {timeout_s:g} s")
                return
            try:
                result = receiver.recv()
            except EOFError:
                process.join()
                yield _ended(subject, _how(process.exitcode))
                return
            if isinstance(result, EdgeCNNError):
                raise result
            yield result
    finally:
        process.kill()
        process.join()
        receiver.close()


def _work(
    sender: Connection,
    path: str,
    known: dict[str, bool],
    subjects: Sequence[Subject],
    reproduce: Path | None,
) -> None:
    from edgecnn_exporters.diagnose.bundles.references import References

    with Bundle(path) as bundle:
        references = References(bundle, known)
        for subject in subjects:
            try:
                found = find_cause(references, subject, reproduce)
            except EdgeCNNError as error:
                sender.send(error)
                return
            if found is not None and found.diagnosis is not None:
                found = replace(found, diagnosis=replace(found.diagnosis, case=None))
            sender.send(found)


def _ended(subject: Subject, how: str) -> RowDiagnosis:
    return RowDiagnosis(subject.name, None, f"no cause was found: the search {how}")


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"died of {signal_name(-code)}"
    return f"ended with exit code {code}"
