"""Proof of a bundle's compiled artefacts, as far as the toolchains of this machine go."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from edgecnn.compile.run import log_file
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.compile.pipeline import prove_again
from edgecnn_exporters.errors import CompilerFailed, CompilerMissing, LicenceNotAccepted
from edgecnn_exporters.targets import UnknownTarget
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verdict import ParityVerdict
from edgecnn_runtime.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn_exporters.targets.compilers import IntegerNetwork

# Errors by which a toolchain cannot prove anything here; they accuse no artefact.
ABSENT = (CompilerMissing, LicenceNotAccepted, UnknownTarget)


def prove_compiled(bundle: Bundle, progress: Progress) -> list[Parity]:
    """A row for each compiled artefact: proven again, or with the kind of proof that it came with.

    A vendor's simulator opens the vendor's file, in a process of its own.
    """
    artefacts = [each for each in bundle.manifest.artefacts if each.target is not None]
    prover = _Prover(bundle)
    rows = []
    for number, artefact in enumerate(artefacts):
        rows.append(prover.row(artefact))
        progress((number + 1) / len(artefacts))
    return rows


class _Prover:
    """Provers of one bundle; its integer network is read once, and only where one is asked."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @cached_property
    def _network(self) -> IntegerNetwork:
        return read_network(self._bundle)

    @cached_property
    def _log(self) -> Path:
        from pathlib import Path

        return log_file(Path(self._bundle.path))

    def row(self, artefact: Artefact) -> Parity:
        """The row of one compiled artefact."""
        assert artefact.target is not None
        path, precision = artefact.path, artefact.precision
        made_by = EngineId(artefact.compiler or artefact.target)
        try:
            profile = target_profile(artefact.target)
            proof = prove_again(self._bundle, self._network, artefact, profile, self._log)
        except ABSENT as error:
            note = f"{artefact.proof} where it was compiled; {error}"
            return Parity(path, made_by, precision, "skipped", None, note, proof=artefact.proof)
        except EdgeCNNError as error:
            # The prover crashed, or the bundle no longer holds what was compiled.
            verdict: ParityVerdict = "crashed" if isinstance(error, CompilerFailed) else "differs"
            note = str(error)
            return Parity(path, made_by, precision, verdict, None, note, proof=artefact.proof)
        is_weak = artefact.is_weak and proof.verdict in ("differs", "equal")
        return Parity(
            path,
            EngineId(proof.prover) if proof.prover else None,
            precision,
            "weak" if is_weak else proof.verdict,
            proof.difference,
            proof.note,
            proof=proof.kind,
        )
