"""Compiler of the family `mcu`: the TFLite file for TensorFlow Lite Micro, its arena and proof."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork, OnCpu, Proof, Settings
from edgecnn_exporters.targets.integer_proof import Answered, judge_integers, other_encodings
from edgecnn_exporters.targets.mcu import interpreter
from edgecnn_exporters.targets.mcu.boards import FAMILY, Need, board_of, check_fits
from edgecnn_exporters.targets.mcu.concatenation import split_concatenations
from edgecnn_exporters.targets.mcu.integers import golden_integers
from edgecnn_exporters.targets.mcu.interpreter import TFLM
from edgecnn_exporters.targets.mcu.operators import resolver_methods
from edgecnn_exporters.targets.mcu.report import boards_note, report
from edgecnn_exporters.targets.mcu.tensors import read_tensors
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_runtime.manifest import Artefact

FLOAT = "it computes in float, not in 8 bits"
FLOAT_FIX = (
    "Export the network again with --quantize int8: older bundles do not say what is in 8 bits"
)


class McuCompiler:
    """TensorFlow Lite Micro: the network's TFLite file, measured and proven."""

    family: ClassVar[str] = FAMILY
    toolchains: ClassVar[tuple[Toolchain, ...]] = (TFLM,)

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        version = TFLM.check(settings.licences)
        began = time.perf_counter()
        model = split_concatenations(network.tflite)
        tensors = read_tensors(model)
        name = network.about.name
        methods = resolver_methods(name, tensors.operators)
        arena = interpreter.smallest_arena(model, tensors, settings.folder, settings.log)
        need = Need(len(model), arena.arena_bytes)
        board = board_of(profile)
        if board is not None:
            check_fits(name, need, tensors, board)
        artefact = _artefact(network, profile, version)
        return Compiled(
            artefact,
            {artefact.path: model},
            report(need, arena, tensors, methods),
            time.perf_counter() - began,
            tuple(OnCpu(node, operator, FLOAT, FLOAT_FIX) for operator, node in tensors.floats),
            notes=(boards_note(name, need),) if board is None else (),
        )

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        prover = f"{TFLM.name} {TFLM.check(settings.licences)}"
        if wrong := other_encodings(artefact, network.tflite_entry.encodings):
            return wrong
        if not network.examples:
            note = "the bundle has no golden example of one image"
            return Proof(prover, "skipped", note, artefact.proof)
        model = files[artefact.path]
        tensors = read_tensors(model)
        golden = golden_integers(network)
        found, arena = interpreter.answers(
            model, tensors, golden.inputs, settings.folder, settings.log
        )
        answered = [
            Answered(example, one, integers)
            for example, one, integers in zip(network.examples, found, golden.outputs, strict=True)
        ]
        proof = judge_integers(network, prover, "", answered, golden.rewritten)
        return replace(proof, note=f"{proof.note}; arena of {arena.arena_bytes:,} bytes")


def _artefact(network: IntegerNetwork, profile: TargetProfile, version: str) -> Artefact:
    folder = FAMILY if profile.name == FAMILY else f"{FAMILY}/{profile.name}"
    return Artefact(
        path=f"{folder}/model.tflite",
        format="tflite",
        precision="int8",
        proof="exact",
        compiler=f"{TFLM.name} {version}",
        layout=network.tflite_entry.layout,
        encodings=network.tflite_entry.encodings,
        target=profile.name,
        report=f"{folder}/report.json",
    )
