"""Compiler of the family ``ethos-u``: Vela, with Arm's TOSA reference model as the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing, DoesNotFit
from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork, OnCpu, Proof, Settings
from edgecnn_exporters.targets.integer_proof import other_encodings
from edgecnn_exporters.targets.npu.ethos_u.configuration import Configuration
from edgecnn_exporters.targets.npu.ethos_u.cpu_operators import cpu_operators
from edgecnn_exporters.targets.npu.ethos_u.report import estimates, peak
from edgecnn_exporters.targets.npu.ethos_u.toolchains import CONVERTER, REFERENCE_MODEL, VELA
from edgecnn_exporters.targets.npu.ethos_u.vela import COMPILED, run_vela
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import Artefact

FORMAT = "ethos-u"


class EthosUCompiler:
    """Vela on the integer TFLite file. What it gives is a TFLite file too, for TFLite Micro."""

    family: ClassVar[str] = "ethos-u"
    toolchains: ClassVar[tuple[Toolchain, ...]] = (VELA, CONVERTER, REFERENCE_MODEL)

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        """Compile the network; its report holds Vela's estimates."""
        compiler = f"{VELA.name} {VELA.check(settings.licences)}"
        configuration = Configuration.of(profile)
        run = run_vela(_source(network, configuration), configuration, settings)
        report = estimates(run, configuration, compiler)
        _check_fits(report, configuration, network)
        on_cpu = cpu_operators(run, configuration, settings)
        folder = f"npu/{profile.name}"
        artefact = Artefact(
            path=f"{folder}/{COMPILED}",
            format=FORMAT,
            precision="int8",
            proof="estimated",
            compiler=compiler,
            layout=network.tflite_entry.layout,
            encodings=dict(network.tflite_entry.encodings),
            target=profile.name,
            flags=configuration.flags,
            report=f"{folder}/report.json",
        )
        files = {artefact.path: run.model}
        return Compiled(
            artefact, files, report | _left_out(on_cpu), run.seconds, on_cpu, _notes(on_cpu)
        )

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        """Prove what Vela compiled from, and that the file is what Vela gives.

        No program here runs the file.
        """
        from edgecnn_exporters.targets.npu.ethos_u.tosa import prove_by_tosa

        if wrong := other_encodings(artefact, network.tflite_entry.encodings):
            return wrong
        configuration = Configuration.of(profile)
        try:
            source = _source(network, configuration)
            if wrong := _other_file(source, artefact, files, configuration, settings):
                return wrong
            proof = prove_by_tosa(replace(network, tflite=source), settings)
        except (CompilerMissing, CompilerFailed, EngineError) as error:
            return Proof(REFERENCE_MODEL.name, "skipped", str(error), artefact.proof)
        return replace(proof, kind=artefact.proof) if proof.verdict == "skipped" else proof


def _other_file(
    source: bytes,
    artefact: Artefact,
    files: Mapping[str, bytes],
    configuration: Configuration,
    settings: Settings,
) -> Proof | None:
    """The proof of a file that Vela does not give; None if it does.

    Raises:
        CompilerMissing, CompilerFailed: Vela is not here in the version that compiled it, or fails.
    """
    here = f"{VELA.name} {VELA.check(settings.licences)}"
    if artefact.compiler != here:
        raise CompilerMissing(
            f"compiled with {artefact.compiler}, and {here} is here: what it gives cannot be "
            "compared; install that version, or compile again"
        )
    if run_vela(source, configuration, settings).model == files[artefact.path]:
        return None
    note = f"the file is not what {here} gives for the bundle's network; compile it again"
    return Proof(here, "differs", note, artefact.proof)


def _source(network: IntegerNetwork, configuration: Configuration) -> bytes:
    """The TFLite file that goes into Vela."""
    if configuration.generation == "ethos-u85":
        return network.tflite
    from edgecnn_exporters.targets.npu.ethos_u.padding import keep_padding_apart

    return keep_padding_apart(network.tflite)


def _check_fits(
    report: Mapping[str, Any], configuration: Configuration, network: IntegerNetwork
) -> None:
    """Check that the activations fit the board's SRAM.

    Raises:
        DoesNotFit: they do not.
    """
    limit, used = configuration.sram_bytes, report["memory_bytes"].get("sram", 0)
    if limit is None or used <= limit:
        return
    largest = peak(report)
    where = "" if largest is None else f", most of it at {largest['type']} {largest['name']}"
    raise DoesNotFit(
        f"{network.manifest.name} needs {used:,} bytes of SRAM on {configuration.accelerator} "
        f"({configuration.memory_mode}){where}: {used - limit:,} more than the {limit:,} of a "
        f"{configuration.board}; export it with a smaller --input or --width, or compile it for "
        "an NPU beside DRAM, such as ethos-u65-256"
    )


def _left_out(on_cpu: tuple[OnCpu, ...]) -> dict[str, Any]:
    """Operators whose time the report's figures leave out."""
    return {"not_estimated": [f"{each.operator} {each.node}" for each in on_cpu]}


def _notes(on_cpu: tuple[OnCpu, ...]) -> tuple[str, ...]:
    if not on_cpu:
        return ()
    count = len(on_cpu)
    return (f"the estimate leaves out {count} operator{'s' * (count > 1)} on the CPU",)
