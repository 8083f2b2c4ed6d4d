"""Tables of ``edgecnn compile``: what was compiled, the targets, and the toolchains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecnn.console import table
from edgecnn.report.blocks import Block, Labelled

if TYPE_CHECKING:
    from edgecnn.compile.plan import CompilePlan
    from edgecnn.compile.run import Written
    from edgecnn.compile.toolchains import FoundToolchain
    from edgecnn_exporters.compile.contents import TargetResult
    from edgecnn_exporters.compile.pipeline import CompileResult
    from edgecnn_exporters.targets.profile import TargetProfile


def compiled_blocks(result: CompileResult) -> list[Block]:
    """One row a target: operators on the CPU, size, time, and the kind of its proof."""
    shown = table(
        ("target", "on the CPU", "size", "compiled in", "SQNR", "top-1", "proof"),
        right=("on the CPU", "size", "compiled in", "SQNR", "top-1"),
        drop=("compiled in", "size"),
    )
    for each in result.targets:
        difference = each.proof.difference
        answers = (
            ("", "")
            if difference is None
            else (
                f"{difference.sqnr_db:.1f} dB",
                f"{difference.top1_agreement:.0%}",
            )
        )
        shown.add_row(
            each.profile.name,
            str(len(each.compiled.on_cpu)),
            f"{each.size_bytes / 1e3:,.0f} kB",
            f"{each.compiled.seconds:.1f} s",
            *answers,
            _kind(each, is_weak=result.is_weak),
        )
    proofs = [
        f"{each.profile.name}: {proof_words(each.proof.prover, each.proof.note)}"
        for each in result.targets
    ]
    return [shown, *proofs]


def proof_words(prover: str, note: str) -> str:
    """What proved an artefact and how, or why nothing did: then the note may name it already."""
    return note if not prover or note.startswith(prover) else f"{prover}: {note}"


def _kind(result: TargetResult, *, is_weak: bool) -> str:
    """Kind of proof; of what could not be proven here, that of the artefact."""
    proof = result.proof
    kind = proof.kind if proof.verdict in ("equal", "differs") else "compiled only"
    return f"{kind}, weak" if is_weak or proof.verdict == "differs" else kind


def written_blocks(written: Written) -> list[Block]:
    """The bundle or folder that was written, and further facts."""
    count, size = len(written.files), sum(written.files.values())
    files = f", {count} files, {size / 1e6:.1f} MB" if count else ""
    return [f"written: {written.path}{files}", *written.lines]


def plan_blocks(planned: CompilePlan, licences: frozenset[str]) -> list[Block]:
    """The plan in words."""
    lines = {"bundle": str(planned.bundle)}
    lines |= {profile.name: profile.title for profile in planned.profiles}
    for each in planned.toolchains():
        state = each.version() or f"not installed; {each.install}"
        if not each.is_accepted(licences):
            state += f"; its licence is not accepted: {each.how_to_accept}"
        lines[each.name] = state
    lines["writes"] = str(planned.output or planned.folder)
    return [Labelled(tuple(lines.items()), max(map(len, lines)) + 2)]


def targets_blocks(
    profiles: Sequence[TargetProfile], toolchains: Sequence[FoundToolchain]
) -> list[Block]:
    """The targets by family, and the toolchains with version, licence and how to get them."""
    targets = table(("target", "what it is"))
    for profile in profiles:
        targets.add_row(profile.name, _described(profile))
    packages = table(("for", "package", "here", "is"), drop=("is",), below=("is",), wrap=("is",))
    for each in toolchains:
        own = each.toolchain
        packages.add_row(each.family, own.name, each.version or "–", own.purpose)
    installs = [
        f"{one.name}, {one.size_mb} MB, {one.licence}: {one.install}"
        for one in dict.fromkeys(each.toolchain for each in toolchains)
    ]
    return [targets, "", packages, "", *installs]


def _described(profile: TargetProfile) -> str:
    aliases = ", ".join(profile.aliases)
    return f"{profile.title} ({aliases})" if aliases else profile.title
