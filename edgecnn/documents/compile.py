"""JSON documents of ``edgecnn compile``: the result, the plan, the list of targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.targets.compilers import OnCpu, Proof
from edgecnn_exporters.targets.profile import TargetProfile

if TYPE_CHECKING:
    from edgecnn.compile.plan import CompilePlan
    from edgecnn.compile.run import Written
    from edgecnn.compile.toolchains import FoundToolchain
    from edgecnn_exporters.compile.contents import TargetResult


@dataclass(frozen=True)
class CompiledTarget:
    """One compiled target.

    Attributes:
        target: its name.
        artefact: path of the compiled file in the bundle.
        compiler: name and version; null where none ran.
        flags: options that the compiler was given.
        size_bytes: of the artefact's files.
        seconds: of the compiler's run.
        on_cpu: operators left to the CPU.
        report: figures of the compiler.
        proof: what was proven on this machine.
        notes: warnings.
    """

    target: str
    artefact: str
    compiler: str | None
    flags: tuple[str, ...]
    size_bytes: int
    seconds: float
    on_cpu: tuple[OnCpu, ...]
    report: Mapping[str, Any]
    proof: Proof
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CompileDocument:
    """What a compilation wrote.

    Attributes:
        written: path of the bundle, or of the folder.
        files: of a folder: path in it → bytes; empty for a bundle.
        targets: in the order of the command line.
        notes: on the network.
    """

    written: str
    files: Mapping[str, int]
    targets: tuple[CompiledTarget, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PackageFields:
    """A package that the compilation needs.

    Attributes:
        version: that is installed; null where it is not.
        install: command that installs it.
        licence: its SPDX name, or whose terms it is under.
        terms: where its terms can be read.
        is_accepted: its licence is accepted, or free.
    """

    version: str | None
    install: str
    licence: str
    terms: str
    is_accepted: bool


@dataclass(frozen=True)
class CompilePlanDocument:
    """Plan of a compilation.

    Attributes:
        bundle: that is read.
        targets: name of a target → what it is.
        packages: name of a package → its version and licence.
        writes: path of the bundle or folder.
    """

    bundle: str
    targets: Mapping[str, str]
    packages: Mapping[str, PackageFields]
    writes: str


@dataclass(frozen=True)
class ToolchainFields:
    """A compiler or simulator, and how to get it.

    Attributes:
        family: of the targets that it compiles or proves.
        version: that is installed; null where it is not.
        install: command that installs it.
        name: of the package.
        purpose: what it does.
        oldest: the oldest version that was tested.
        licence: its SPDX name, or whose terms it is under.
        extra: the extra of edgecnn that installs it; null where it needs its own interpreter.
        variable: environment variable with the path of the interpreter that has it.
        size_mb: of its wheel.
        must_accept: it is not run before its licence is accepted.
        terms: where its terms can be read.
        commands: what installs it, where that is more than one package.
    """

    family: str
    version: str | None
    install: str
    name: str
    purpose: str
    oldest: str
    licence: str
    extra: str | None
    variable: str
    size_mb: int
    must_accept: bool
    terms: str
    commands: str


@dataclass(frozen=True)
class CompileTargetsDocument:
    """Compile targets and toolchains that edgecnn knows.

    Attributes:
        targets: by family.
        toolchains: on this machine.
    """

    targets: tuple[TargetProfile, ...]
    toolchains: tuple[ToolchainFields, ...]


def compile_document(written: Written) -> CompileDocument:
    """The document of a compilation."""
    result = written.result
    return CompileDocument(
        written=str(written.path),
        files=written.files,
        targets=() if result is None else tuple(map(_target, result.targets)),
        notes=() if result is None else result.notes,
    )


def _target(result: TargetResult) -> CompiledTarget:
    artefact = result.compiled.artefact
    return CompiledTarget(
        target=result.profile.name,
        artefact=artefact.path,
        compiler=artefact.compiler,
        flags=tuple(artefact.flags),
        size_bytes=result.size_bytes,
        seconds=result.compiled.seconds,
        on_cpu=result.compiled.on_cpu,
        report=dict(result.compiled.report),
        proof=result.proof,
        notes=result.compiled.notes,
    )


def compile_plan_document(planned: CompilePlan, licences: frozenset[str]) -> CompilePlanDocument:
    """The document of a plan.

    Args:
        licences: the packages whose licence was accepted on the command line.
    """
    packages = {
        each.name: PackageFields(
            each.version(), each.install, each.licence, each.terms, each.is_accepted(licences)
        )
        for each in planned.toolchains()
    }
    return CompilePlanDocument(
        bundle=str(planned.bundle),
        targets={profile.name: profile.title for profile in planned.profiles},
        packages=packages,
        writes=str(planned.output or planned.folder),
    )


def compile_targets_document(
    profiles: Sequence[TargetProfile], toolchains: Sequence[FoundToolchain]
) -> CompileTargetsDocument:
    """The document of ``edgecnn compile --list``."""
    shown = [
        ToolchainFields(
            family=each.family,
            version=each.version,
            install=each.toolchain.install,
            **asdict(each.toolchain),
        )
        for each in toolchains
    ]
    return CompileTargetsDocument(tuple(profiles), tuple(shown))
