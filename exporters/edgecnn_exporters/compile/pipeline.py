"""The compile pipeline: a bundle in, the same bundle with compiled artefacts out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn_exporters.compile.contents import TargetResult, compiled_contents
from edgecnn_exporters.compile.network import graph_digest, qdq_artefact, read_network
from edgecnn_exporters.compile.result_loss import result_loss
from edgecnn_exporters.compile.unchanged import identity_of, unchanged
from edgecnn_exporters.errors import OperatorsOnCpu, TargetDiffers
from edgecnn_exporters.scratch import scratch_folder
from edgecnn_exporters.targets.compilers import (
    IntegerNetwork,
    OnCpu,
    Proof,
    Settings,
    compiler_of,
)
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.references import MAX_ARTEFACTS
from edgecnn_runtime.bundle.write import write_contents
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.progress import Announce

STAGES = ("read", "compile", "package")
# Operators named in one message; the others are counted.
NAMED = 3


@dataclass(frozen=True)
class CompileRequest:
    """Request of a compilation.

    Attributes:
        output: the bundle to write; None writes none.
        allow_cpu: operators may stay on the CPU.
        allow_weak: 8-bit results may lose more than 8 bits should, and a vendor's kernels more than
            those of a CPU, in the vendor's simulator.
        licences: names of the toolchains whose licences the user has accepted.
        log: file for the compilers' messages.
    """

    bundle: Path
    profiles: tuple[TargetProfile, ...]
    output: Path | None
    log: Path
    allow_cpu: bool = False
    allow_weak: bool = False
    licences: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CompileResult:
    """Result of a compilation.

    Attributes:
        network: what was compiled.
        manifest: of the bundle that was written; None where none was.
        notes: on the network, for the user; `Compiled.notes` are those on one target.
        is_weak: the network with 8-bit results is, and so is every target.
    """

    network: IntegerNetwork
    targets: tuple[TargetResult, ...]
    manifest: Manifest | None
    notes: tuple[str, ...] = ()
    is_weak: bool = False


def compile_bundle(request: CompileRequest, progress: Announce) -> CompileResult:
    """Compile a bundle's integer network for each target, prove the results, and add them to it.

    A target that the bundle holds already is compiled anew. Nothing is written unless all succeed.

    Raises:
        BundleError: the bundle cannot be trusted.
        NotQuantised, UnsupportedModel: it holds no integer network, or one that TFLite cannot hold.
        CompilerMissing, CompilerFailed, LicenceNotAccepted, DoesNotFit: as the compilers say.
        OperatorsOnCpu: a compiler leaves operators to the CPU, and that was not allowed.
        WeakQuantisation: held in 8 bits, the results lose more than they should.
        TargetDiffers: a compiled artefact does not answer as the network does.
        OutputNotWritable: the bundle cannot be written, or changed while it was compiled.
    """
    identity = identity_of(request.bundle)
    with Bundle(request.bundle) as bundle, scratch_folder() as scratch:
        bundle.check()
        _check_count(bundle, request.profiles)
        progress("read")
        network = read_network(bundle)
        loss = result_loss(network, qdq_artefact(bundle), allow_weak=request.allow_weak)
        results = []
        for profile in request.profiles:
            progress(f"compile: {profile.name}")
            folder = scratch / profile.name
            folder.mkdir()
            settings = Settings(folder, request.log, request.licences)
            results.append(
                compile_target(
                    network,
                    profile,
                    settings,
                    allow_cpu=request.allow_cpu,
                    allow_weak=request.allow_weak,
                )
            )
        manifest = None
        if request.output is not None:
            progress("package")
            contents = compiled_contents(bundle, results, is_weak=loss.is_weak)
            with unchanged(request.bundle, identity, request.output):
                manifest = write_contents(request.output, contents)
    return CompileResult(network, tuple(results), manifest, loss.notes, loss.is_weak)


def _check_count(bundle: Bundle, profiles: Sequence[TargetProfile]) -> None:
    """Refuse more artefacts than a reader of bundles accepts.

    Raises:
        OutputNotWritable: there would be more.
    """
    names = {profile.name for profile in profiles}
    kept = [each for each in bundle.manifest.artefacts if each.target not in names]
    if len(kept) + len(names) > MAX_ARTEFACTS:
        raise OutputNotWritable(
            f"{bundle.path} would hold {len(kept) + len(names)} artefacts, {MAX_ARTEFACTS} are "
            "allowed; compile fewer targets, or some of them into another bundle with -o"
        )


def prove_again(
    bundle: Bundle, network: IntegerNetwork, artefact: Artefact, profile: TargetProfile, log: Path
) -> Proof:
    """Prove a compiled artefact of a bundle as far as this machine can.

    Raises:
        CompilerMissing, CompilerFailed, LicenceNotAccepted: its prover is not here, or fails.
    """
    if artefact.graph != graph_digest(bundle):
        note = "compiled from another graph than the bundle's; compile it again"
        return Proof("", "differs", note, artefact.proof)
    files = {path: bundle.read(path) for path in artefact.paths}
    with scratch_folder() as scratch:
        return compiler_of(profile.family).prove(
            network, artefact, files, profile, Settings(scratch, log)
        )


def compile_target(
    network: IntegerNetwork,
    profile: TargetProfile,
    settings: Settings,
    *,
    allow_cpu: bool,
    allow_weak: bool = False,
) -> TargetResult:
    """Compile a network for one target, and prove the result.

    Args:
        settings: its folder is emptied between the two.

    Raises:
        EdgeCNNError: as `compile_bundle` says.
    """
    compiler = compiler_of(profile.family)
    compiled = compiler.compile(network, profile, settings)
    if compiled.on_cpu and not allow_cpu:
        raise _on_cpu(compiled.on_cpu, profile)
    shutil.rmtree(settings.folder)
    settings.folder.mkdir()
    proof = compiler.prove(network, compiled.artefact, compiled.files, profile, settings)
    is_simulated = compiled.artefact.proof == "simulated"
    if proof.verdict == "differs" and not (allow_weak and is_simulated):
        raise _differs(compiled.artefact.path, proof, profile)
    return TargetResult(profile, compiled, proof)


def _differs(path: str, proof: Proof, profile: TargetProfile) -> TargetDiffers:
    """Why an artefact is not written; a vendor's rounding is no defect of edgecnn's."""
    way = "and please report it: this is a defect"
    if proof.kind == "simulated":
        way = "or write it as weak with --allow-weak: the vendor's kernels lose more than a CPU's"
    return TargetDiffers(
        f"{path} does not answer as the network does: {proof.note}; nothing was written. "
        f"Leave out {profile.name}, {way}"
    )


def _on_cpu(operators: Sequence[OnCpu], profile: TargetProfile) -> OperatorsOnCpu:
    first = operators[:NAMED]
    named = "; ".join(f"{each.operator} {each.node} ({each.reason})" for each in first)
    more = f" and {len(operators) - NAMED} more" if len(operators) > NAMED else ""
    fixes = "; ".join(dict.fromkeys(each.fix for each in first if each.fix))
    count = "an operator" if len(operators) == 1 else f"{len(operators)} operators"
    mended = f" ({fixes})" if fixes else ""
    return OperatorsOnCpu(
        f"{profile.name} would leave {count} to the CPU: {named}{more}; change the network"
        f"{mended}, or compile it as it is with --allow-cpu"
    )
