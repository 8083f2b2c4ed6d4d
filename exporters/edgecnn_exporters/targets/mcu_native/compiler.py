"""Compiler of the family `mcu-native`: the plan for a microcontroller, its memory and proof."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from edgecnn_exporters.targets.compilers import (
    Compiled,
    Example,
    IntegerNetwork,
    Proof,
    Settings,
)
from edgecnn_exporters.targets.integer_proof import Answered, judge_integers, other_encodings
from edgecnn_exporters.targets.mcu.boards import Need
from edgecnn_exporters.targets.mcu.report import boards_note, room_on_boards
from edgecnn_exporters.targets.mcu_native.plan import KERNELS, Memory, memory_of, plan_bytes
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.adapted import quantise
from edgecnn_runtime.manifest import Artefact

FAMILY = "mcu-native"


@dataclass(frozen=True)
class NativeLibrary(Toolchain):
    """The package edgecnn_native, which in a clone no distribution has installed."""

    def version(self) -> str | None:
        """That of the library that loads; None where none does."""
        try:
            import edgecnn_native
        except ImportError:
            return None
        try:
            return edgecnn_native.version()
        except edgecnn_native.NativeError:
            return None


NATIVE = NativeLibrary(
    name="edgecnn-native",
    purpose="C library and its source",
    oldest="0.2",
    licence="Apache-2.0",
    extra="native",
    variable="",
    size_mb=1,
)
NOTES = {
    "plan_bytes": "the plan, which stays in flash with its weights; the library's code comes on "
    "top, about 40 kB",
    "memory_bytes": "what edgecnn_memory_size asks for, with pointers of 8 bytes; the stack, about "
    "2 kB, is not counted",
}


class McuNativeCompiler:
    """The plan with 8-bit inputs and outputs, which the portable C library runs from flash."""

    family: ClassVar[str] = FAMILY
    toolchains: ClassVar[tuple[Toolchain, ...]] = (NATIVE,)

    def compile(
        self, network: IntegerNetwork, profile: TargetProfile, settings: Settings
    ) -> Compiled:
        version = NATIVE.check(settings.licences)
        began = time.perf_counter()
        plan = plan_bytes(network)
        memory = memory_of(plan)
        artefact = Artefact(
            path=f"mcu/{profile.name}/model.plan",
            format="plan",
            precision="int8",
            proof="exact",
            compiler=f"{NATIVE.name} {version}",
            encodings=dict(network.uint8),
            target=profile.name,
            report=f"mcu/{profile.name}/report.json",
        )
        need = Need(memory.plan_bytes, memory.ram_bytes)
        return Compiled(
            artefact,
            {artefact.path: plan},
            report(memory),
            time.perf_counter() - began,
            notes=(boards_note(network.about.name, need),),
        )

    def prove(
        self,
        network: IntegerNetwork,
        artefact: Artefact,
        files: Mapping[str, bytes],
        profile: TargetProfile,
        settings: Settings,
    ) -> Proof:
        prover = f"{NATIVE.name} {NATIVE.check(settings.licences)}"
        if wrong := other_encodings(artefact, network.uint8):
            return wrong
        if not network.examples:
            note = "the bundle has no golden example of one image"
            return Proof(prover, "skipped", note, artefact.proof)
        plan = files[artefact.path]
        answered = [
            Answered(example, integers(network, plan, example), _quantised(network, expected))
            for example, expected in zip(network.examples, network.cpu_int8, strict=True)
        ]
        ends = replace(network.tflite_entry, layout=None, encodings=dict(network.uint8))
        return judge_integers(
            replace(network, tflite_entry=ends), prover, "", answered, 0, "ONNX Runtime"
        )


def report(memory: Memory) -> dict[str, Any]:
    """The figures as JSON values."""
    return {
        "plan_bytes": memory.plan_bytes,
        "memory_bytes": memory.memory_bytes,
        "input_bytes": memory.input_bytes,
        "output_bytes": memory.output_bytes,
        "boards": room_on_boards(Need(memory.plan_bytes, memory.ram_bytes)),
        "notes": NOTES,
    }


def input_integers(network: IntegerNetwork, example: Example) -> dict[str, Array]:
    """The example's inputs in 8 bits, by name."""
    return {
        name: quantise(array, network.uint8[name], "uint8")
        for name, array in example.inputs.items()
    }


def integers(network: IntegerNetwork, plan: bytes, example: Example) -> dict[str, Array]:
    """Output integers of one example by the portable kernels, by name, batch axis in front."""
    import edgecnn_native

    feeds = input_integers(network, example)
    with edgecnn_native.Model(plan, kernels=KERNELS) as model:
        arrays = [feeds[tensor.name].reshape(1, *tensor.shape) for tensor in model.inputs]
        found = model.run(arrays)
        names = [tensor.name for tensor in model.outputs]
    return {
        name: array.reshape(example.outputs[name].shape)
        for name, array in zip(names, found, strict=True)
    }


def _quantised(network: IntegerNetwork, outputs: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name: np.asarray(quantise(array, network.uint8[name], "uint8"))
        for name, array in outputs.items()
    }
