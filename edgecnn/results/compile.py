"""`edgecnn compile`: the plan, what was written, the targets that are known; the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result, difference_columns

if TYPE_CHECKING:
    from edgecnn.compile.plan import CompilePlan
    from edgecnn.compile.run import Written
    from edgecnn.compile.toolchains import FoundToolchain
    from edgecnn.documents.compile import (
        CompileDocument,
        CompilePlanDocument,
        CompileTargetsDocument,
    )
    from edgecnn.report.blocks import Block
    from edgecnn_exporters.compile.contents import TargetResult
    from edgecnn_exporters.targets.profile import TargetProfile


@dataclass(frozen=True)
class CompilationResult(Result):
    """Result of ``edgecnn compile``: a bundle with compiled artefacts, or a folder."""

    SCHEMA: ClassVar[str] = "edgecnn.compile/1"

    written: Written

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the network, then those on each target after its name."""
        result = self.written.result
        if result is None:
            return ()
        own = (f"{t.profile.name}: {line}" for t in result.targets for line in t.compiled.notes)
        return (*result.notes, *own)

    def blocks(self) -> list[Block]:
        from edgecnn.report.compile_tables import compiled_blocks, written_blocks

        result = self.written.result
        compiled = [] if result is None else [*compiled_blocks(result), ""]
        return [*compiled, *written_blocks(self.written)]

    def document(self) -> CompileDocument:
        from edgecnn.documents.compile import compile_document

        return compile_document(self.written)

    def rows(self) -> list[dict[str, Any]]:
        result = self.written.result
        return [] if result is None else [_flat(each) for each in result.targets]


def _flat(result: TargetResult) -> dict[str, Any]:
    return {
        "target": result.profile.name,
        "artefact": result.compiled.artefact.path,
        "on_cpu": len(result.compiled.on_cpu),
        "size_bytes": result.size_bytes,
        "seconds": result.compiled.seconds,
        **difference_columns(result.proof.difference),
        "proof": result.proof.kind,
        "verdict": result.proof.verdict,
    }


@dataclass(frozen=True)
class CompilePlanResult(Result):
    """Result of ``edgecnn compile --dry-run``.

    Attributes:
        plan: targets, compilers, output.
        licences: the packages whose licence is accepted.
    """

    SCHEMA: ClassVar[str] = "edgecnn.compile-plan/1"

    plan: CompilePlan
    licences: frozenset[str]

    def blocks(self) -> list[Block]:
        from edgecnn.report.compile_tables import plan_blocks

        return plan_blocks(self.plan, self.licences)

    def document(self) -> CompilePlanDocument:
        from edgecnn.documents.compile import compile_plan_document

        return compile_plan_document(self.plan, self.licences)

    def rows(self) -> list[dict[str, Any]]:
        return [{"target": one.name, "title": one.title} for one in self.plan.profiles]


@dataclass(frozen=True)
class CompileTargetsResult(Result):
    """Result of ``edgecnn compile --list``: targets and toolchains."""

    SCHEMA: ClassVar[str] = "edgecnn.compile-targets/1"

    profiles: tuple[TargetProfile, ...]
    toolchains: tuple[FoundToolchain, ...]

    def blocks(self) -> list[Block]:
        from edgecnn.report.compile_tables import targets_blocks

        return targets_blocks(self.profiles, self.toolchains)

    def document(self) -> CompileTargetsDocument:
        from edgecnn.documents.compile import compile_targets_document

        return compile_targets_document(self.profiles, self.toolchains)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"target": one.name, "family": one.family, "title": one.title} for one in self.profiles
        ]


def list_targets() -> CompileTargetsResult:
    """Compile targets by family, and the toolchains of this machine."""
    from edgecnn.compile.toolchains import find_toolchains
    from edgecnn_exporters.targets.profile import target_profiles

    return CompileTargetsResult(tuple(target_profiles().values()), tuple(find_toolchains()))


def compile_planned(
    planned: CompilePlan,
    *,
    allow_cpu: bool = False,
    allow_weak: bool = False,
    licences: frozenset[str] = frozenset(),
    quiet: bool = True,
) -> CompilationResult:
    """Carry out the plan of a compilation.

    Args:
        allow_cpu: operators may stay on the CPU.
        allow_weak: write what loses more than it should.
        licences: packages whose licence the user accepts.
        quiet: show no progress on stderr.

    Raises:
        EdgeCNNError: as `edgecnn.compile.run.run` says.
    """
    from edgecnn.compile.run import run
    from edgecnn.progress_bar import stages
    from edgecnn_exporters.compile.pipeline import STAGES

    with stages(STAGES, quiet=quiet) as progress:
        written = run(
            planned,
            progress,
            allow_cpu=allow_cpu,
            allow_weak=allow_weak,
            licences=licences,
            quiet=quiet,
        )
    return CompilationResult(written)
