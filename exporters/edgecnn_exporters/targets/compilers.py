"""Compilers of the integer network for NPUs and microcontrollers, behind one protocol.

A compiler serves one family of compile targets: `ethos-u`, `htp`, `rockchip`, `mcu`, `mcu-native`.
It gets a network that is quantised already and holds no float operator, and quantises nothing.
In-tree compilers are the dict `COMPILERS`; others register the entry point group
``edgecnn.compilers``, whose name is the family:

    [project.entry-points."edgecnn.compilers"]
    mine = "my_package.compiler:MyCompiler"

The class of a plug-in also has `profiles`, a tuple of the `TargetProfile` of its targets.
docs/npu/others.md builds one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from edgecnn_exporters.targets import About, TargetInvalid, UnknownTarget
from edgecnn_exporters.targets.profile import GROUP, TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.manifest import Artefact, Manifest, ProofKind
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.verdict import ParityVerdict

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

COMPILERS: Mapping[str, str] = {
    "ethos-u": "edgecnn_exporters.targets.npu.ethos_u.compiler:EthosUCompiler",
    "htp": "edgecnn_exporters.targets.npu.htp.compiler:HtpCompiler",
    "rockchip": "edgecnn_exporters.targets.npu.rockchip.compiler:RockchipCompiler",
    "mcu": "edgecnn_exporters.targets.mcu.compiler:McuCompiler",
    "mcu-native": "edgecnn_exporters.targets.mcu_native.compiler:McuNativeCompiler",
}


@dataclass(frozen=True)
class Example:
    """One golden example: float inputs of batch 1, and the original network's outputs, by name."""

    inputs: Mapping[str, Float32]
    outputs: Mapping[str, Float32]


@dataclass(frozen=True)
class IntegerNetwork:
    """A quantised network of batch 1 without a float operator, in the forms that compilers read.

    Attributes:
        about: metadata of the network.
        manifest: of the bundle that it came from: names, shapes, groups, preprocessing.
        labels: class names; empty where the network is no classifier.
        onnx: QDQ graph whose inputs and outputs are float32 and quantised at once: each input goes
            into a QuantizeLinear (uint8), each output comes from a DequantizeLinear.
        onnx_uint8: the same graph with uint8 inputs and outputs.
        tflite: TFLite file with int8 inputs and outputs, images NHWC.
        tflite_entry: the entry of `tflite` in the bundle: path, layout and encodings (int8).
        uint8: (scale, zero point) of the inputs and outputs of `onnx_uint8`, by name.
        cpu_int8: outputs of `onnx` on the CPU, for each of `examples`.
        examples: the bundle's golden examples.
    """

    about: About
    manifest: Manifest
    labels: tuple[str, ...]
    onnx: bytes
    onnx_uint8: bytes
    tflite: bytes
    tflite_entry: Artefact
    uint8: Mapping[str, tuple[float, int]]
    cpu_int8: Sequence[Mapping[str, Float32]]
    examples: Sequence[Example]


@dataclass(frozen=True)
class OnCpu:
    """An operator that a compiler leaves to the CPU.

    Attributes:
        node: its name in the graph, as near as the compiler says.
        operator: its type.
        reason: why, in the compiler's words.
        fix: what would move it to the accelerator; empty where nothing is known.
    """

    node: str
    operator: str
    reason: str
    fix: str = ""


@dataclass(frozen=True)
class Settings:
    """Settings of one compilation.

    Attributes:
        licences: names of the toolchains whose licences the user has accepted.
        log: where a compiler's own messages are kept.
        folder: scratch folder, empty.
    """

    folder: Path
    log: Path
    licences: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Compiled:
    """Result of a compilation.

    Attributes:
        artefact: entry in the manifest: path below ``npu/TARGET/`` or ``mcu/TARGET/``, format,
            proof, `compiler` (name and version), `target`, `flags`, `on_cpu`, `report`.
        files: content by path in the bundle: the artefact and its companions, the report left out.
        report: figures of the compiler as JSON values; they become `artefact.report`.
        on_cpu: operators left to the CPU.
        seconds: of the compiler's run.
        notes: warnings for the user.
    """

    artefact: Artefact
    files: Mapping[str, bytes]
    report: Mapping[str, Any]
    seconds: float
    on_cpu: tuple[OnCpu, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """Proof of a compiled artefact on this machine.

    Attributes:
        prover: what computed the answers, as "tosa_reference_model 2026.8.0".
        verdict: "equal" or "differs"; "skipped" where this machine cannot prove it.
        note: what was compared with what, or why nothing was.
        difference: of the answers to the golden examples from the original's; None where none were
            computed.
        integers: share of output integers equal to LiteRT's reference kernels; None where that is
            not what was compared.
        kind: of this proof, as the manifest's `proof`; where it is skipped, that of the artefact.
    """

    prover: str
    verdict: ParityVerdict
    note: str
    kind: ProofKind
    difference: Difference | None = None
    integers: float | None = None


class Compiler(Protocol):
    """Compiler of one family."""

    family: ClassVar[str]
    toolchains: ClassVar[tuple[Toolchain, ...]]
    """What it runs, the compiler first; then what only proves."""

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        """Compile the network for one target.

        Raises:
            CompilerMissing: a toolchain that compiles is not installed, or is too old.
            CompilerFailed: it refused the network, crashed or ran out of time; its log is kept.
            LicenceNotAccepted: the user has not accepted its licence.
            DoesNotFit: the network is larger than the board's memory.
        """
        ...

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        """Prove a compiled artefact as far as this machine can: right after `compile`, and again
        whenever the bundle is verified.

        Args:
            files: content of the artefact's files by path in the bundle.
        """
        ...


def compiler_families() -> Iterator[str]:
    """Names of all families: those of the table in its order, then those of entry points."""
    yield from COMPILERS
    yield from (point.name for point in _entry_points() if point.name not in COMPILERS)


def compiler_of(family: str) -> Compiler:
    """The compiler of a family.

    Raises:
        UnknownTarget: there is none.
        TargetInvalid: the entry point of that name cannot be loaded.
    """
    if family in COMPILERS:
        module, attribute = COMPILERS[family].split(":")
        return cast("Compiler", getattr(importlib.import_module(module), attribute)())
    for point in _entry_points():
        if point.name == family:
            try:
                return cast("Compiler", point.load()())
            except (ImportError, AttributeError) as error:
                raise TargetInvalid(
                    f"compiler {family!r} ({point.value}) cannot be loaded: {error}; fix or remove "
                    "the distribution that registers it"
                ) from error
    raise UnknownTarget(
        f"no compiler is called {family!r}; there are {', '.join(compiler_families())}"
    )


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
