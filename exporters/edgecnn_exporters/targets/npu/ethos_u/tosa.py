"""Proof by TOSA: Arm's reference model computes the integer TFLite file, integer for integer."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import Example, IntegerNetwork, Proof, Settings
from edgecnn_exporters.targets.integer_proof import Answered, judge_integers
from edgecnn_exporters.targets.npu.ethos_u.toolchains import CONVERTER, REFERENCE_MODEL
from edgecnn_exporters.targets.tflite.fixed_point import fixed_point_form
from edgecnn_exporters.targets.toolchain import run_tool
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.adapted import Adapted
from edgecnn_runtime.engines.tflite_reference import TFLiteReferenceEngine

# The profile of integers, and what the converter writes beyond it: sums of 16 and 64 bits, and the
# two roundings of TFLite's kernels.
TARGET = (
    "--tosa-attach-target=profiles=pro_int,pro_fp "
    "extensions=int16,int4,int64,doubleround,inexactround level=none "
    "specification_version=1.1.draft"
)
UNCONVERTED = re.compile(r"= \"?tfl\.(\w+)\"?\(")
# An image takes 0.1 to 0.7 s, and minutes for networks of many GMACs: those prove fewer.
MOST_EXAMPLES = 3
ENOUGH_S = 60.0


def prove_by_tosa(network: IntegerNetwork, settings: Settings) -> Proof:
    """Compare the reference model's integers with those of LiteRT's reference kernels.

    Equal ones are exact. Of some operators the two round differently (RESIZE_BILINEAR): such a
    network is simulated, and must come as near to the original's outputs as the kernels do.

    Raises:
        CompilerMissing: the tools are not installed, or too old.
        CompilerFailed: they refuse the network or crash.
    """
    CONVERTER.check()
    prover = f"tosa_reference_model {REFERENCE_MODEL.check()}"
    examples = network.examples[:MOST_EXAMPLES]
    if not examples:
        return Proof(prover, "skipped", "the bundle has no golden examples", "estimated")
    _convert(network.tflite, settings)
    fixed_point, dense = fixed_point_form(network.tflite)
    engine = TFLiteReferenceEngine.open(fixed_point, threads=1)
    kernels = Adapted(engine, network.manifest, network.tflite_entry)
    answered: list[Answered] = []
    started = time.monotonic()
    try:
        while len(answered) < len(examples) and time.monotonic() - started < ENOUGH_S:
            answered.append(_answer(kernels, examples[len(answered)], settings))
    finally:
        kernels.close()
    return judge_integers(network, prover, "what goes into Vela: ", answered, dense)


def _convert(tflite: bytes, settings: Settings) -> None:
    """Write the network as TOSA, ``model.tosa``.

    Raises:
        CompilerFailed: TOSA cannot hold it; the message names the operators.
    """
    folder, log = settings.folder, settings.log
    (folder / "model.tflite").write_bytes(tflite)
    name = "Arm's converter from TFLite to TOSA"
    converter = _program("tosa-converter-for-tflite")
    run_tool(name, [converter, "model.tflite", "-o", "model.mlirbc"], log, folder=folder)
    serialise = "--tosa-serialize=tosa-flatbuffer-filename=model.tosa"
    signless = "--tosa-convert-integer-type-to-signless"
    options = (TARGET, "model.mlirbc", signless, serialise, "-o", "optimised.mlir")
    try:
        run_tool("tosa-opt", [_program("tosa-opt"), *options], log, folder=folder)
    except CompilerFailed as error:
        # What the converter does not know it leaves as it is, and ends well.
        text_form = ("model.tflite", "--text", "-o", "model.mlir")
        run_tool(name, [converter, *text_form], log, folder=folder)
        text = (folder / "model.mlir").read_text(encoding="utf-8", errors="replace")
        if left := sorted(set(UNCONVERTED.findall(text))):
            raise CompilerFailed(f"TOSA has no {', '.join(left).upper()}") from error
        raise


def _answer(kernels: Adapted, example: Example, settings: Settings) -> Answered:
    engine = kernels.engine
    feeds = kernels.native(example.inputs)
    integers = engine.run(feeds)
    shapes = {spec.name: integers[spec.name].shape for spec in engine.outputs}
    model = _run_model([feeds[spec.name] for spec in engine.inputs], shapes, settings)
    return Answered(example, model, integers)


def _run_model(
    feeds: Sequence[Array], shapes: Mapping[str, tuple[int, ...]], settings: Settings
) -> dict[str, Array]:
    """The reference model's outputs, which it numbers in the order of the TFLite file."""
    folder = settings.folder
    inputs = [f"input{number}.npy" for number in range(len(feeds))]
    outputs = [f"output{number}.npy" for number in range(len(shapes))]
    for name, array in zip(inputs, feeds, strict=True):
        np.save(folder / name, array)
    run_tool(
        "Arm's TOSA reference model",
        [
            *(_program("tosa_reference_model"), "--tosa_file", "model.tosa"),
            *("--flatbuffer_dir", folder, "--output_dir", folder, "--tosa_level", "NONE"),
            *("--ifm_name", ",".join(f"TosaInput_{n}" for n in range(len(inputs)))),
            *("--ifm_file", ",".join(inputs)),
            *("--ofm_name", ",".join(f"TosaOutput_{n}" for n in range(len(outputs)))),
            *("--ofm_file", ",".join(outputs)),
        ],
        settings.log,
        folder=folder,
    )
    try:
        return {
            name: np.load(folder / file).reshape(shape)
            for (name, shape), file in zip(shapes.items(), outputs, strict=True)
        }
    except (OSError, ValueError) as error:
        raise CompilerFailed(
            f"Arm's TOSA reference model wrote no output: {error}; its messages are in "
            f"{settings.log}"
        ) from error


def _program(name: str) -> Path:
    """A program of the tools, beside their interpreter."""
    return Path(REFERENCE_MODEL.python).parent / name
