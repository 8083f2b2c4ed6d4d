"""Every table of the command line, of values that are as wide as they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sin
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from unit.edgecnn.bench.events import FLOAT, INT8, run

from edgecnn.bench.emulated import Likeness, Proved, ProvedRow
from edgecnn.bench.estimated import Estimate
from edgecnn.bench.profiled import Profiled
from edgecnn.compile.toolchains import find_toolchains
from edgecnn.devices.checks import check
from edgecnn.devices.emulated.instructions import Instructions
from edgecnn.devices.listing import ListedDevice
from edgecnn.devices.profile_toml import profiles
from edgecnn.documents.evaluate import EvaluateDocument, EvaluateRow, PairedFields, Share
from edgecnn.documents.gradient import (
    GradientDocument,
    GradientLayersDocument,
    LayerFields,
    LossFields,
    TensorFields,
)
from edgecnn.documents.learn import LearnDocument, LearnRow
from edgecnn.learn.state import LearntEpoch
from edgecnn.report.bench_table import bench_blocks
from edgecnn.report.blocks import Block
from edgecnn.report.compile_tables import compiled_blocks, targets_blocks
from edgecnn.report.devices_tables import devices_blocks, profile_blocks
from edgecnn.report.doctor_table import check_blocks
from edgecnn.report.emulated_table import proved_blocks
from edgecnn.report.estimated_table import estimated_blocks
from edgecnn.report.evaluate_tables import accuracy_blocks
from edgecnn.report.exported import ladder_blocks, layer_blocks
from edgecnn.report.gradient_tables import gradient_blocks
from edgecnn.report.gradient_tables import layer_blocks as gradient_layer_blocks
from edgecnn.report.learning import learnt_blocks
from edgecnn.report.network_tables import zoo_blocks
from edgecnn.report.profile_tables import profile_blocks as operator_blocks
from edgecnn.report.run_table import class_blocks
from edgecnn.report.verify_tables import (
    compiled_parity_blocks,
    cost_blocks,
    held_out_blocks,
    parity_blocks,
)
from edgecnn.verify.held_out import HeldOutComparison, HeldOutRow
from edgecnn.verify.preprocess.certify import Cost, WayCost
from edgecnn.zoo.figures import read_figures
from edgecnn_exporters.compile.contents import TargetResult
from edgecnn_exporters.quantise.steps.sensitivity import Sensitivity
from edgecnn_exporters.targets.compilers import Compiled, Proof
from edgecnn_exporters.targets.profile import target_profile, target_profiles
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.profile import Profile
from edgecnn_runtime.measure.results import BenchResult, assemble
from edgecnn_runtime.measure.stages import Stage
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.row import EngineId, Parity
from edgecnn_runtime.tasks import Classification

FOUND = Difference(0.1, 0.022, 33.0, 0.875, (0.9, 1.0), 32, 30)
REFERENCE = EngineId("tflite-reference", "2.3.0")
ONNX_RUNTIME = EngineId("onnxruntime", "1.32.0")
VELA = "npu/ethos-u55-128/model_vela.tflite"


NATIVE = EngineId("native", "0.2.0", "edgecnn-native")
PROFILES = (
    Profile(
        "model.int8.plan",
        NATIVE,
        1,
        20,
        123.456,
        tuple(
            Stage(f"features.{n}.block.1.0/quantised_token_{n}", f"QLinearKind{n}", 9.5)
            for n in range(12)
        ),
    ),
    Profile("model.int8.tflite", NATIVE, 1, 0, None, (), "it gives no times of operators"),
)


def every_table() -> dict[str, Sequence[Block]]:
    """Blocks of each report, by name."""
    return {
        "verify": parity_blocks(PARITY),
        "verify, compiled": compiled_parity_blocks(COMPILED),
        "verify --data": held_out_blocks(HELD_OUT),
        "verify --preprocess": cost_blocks(COSTS, "photographs", "model.onnx by onnxruntime", 32),
        "bench": bench_blocks({"host": bench("net.edge")}),
        "bench of three devices and two bundles": bench_blocks(
            {
                name: bench("net.edge", "mobilenet_v2-224.edge")
                for name in ("host", "rpi5", "lab-orangepi5")
            }
        ),
        "bench, emulated": proved_blocks([Proved("rpi5-emulated", "Raspberry Pi 5", PROVED)]),
        "bench, profile": operator_blocks([Profiled("raspberry-pi-5", PROFILES)]),
        "bench, estimated": estimated_blocks([ESTIMATE]),
        "evaluate": accuracy_blocks(EVALUATED, 10),
        "learn": learnt_blocks(LEARNT),
        "run": class_blocks({"pictures/2024/holidays/IMG_20240718_173512.jpg": CLASSES}),
        "compile": compiled_blocks(cast("Any", SimpleNamespace(targets=TARGETS, is_weak=False))),
        "compile --list": targets_blocks(list(target_profiles().values()), find_toolchains()),
        "devices": devices_blocks(DEVICES),
        "devices show": profile_blocks(profiles()["rpi5"]),
        "doctor": check_blocks(CHECKS),
        "zoo": zoo_blocks(read_figures()),
        "zoo --gradient": gradient_blocks(GRADIENT),
        "zoo --gradient list": gradient_layer_blocks(GradientLayersDocument("net", (LAYER,))),
        "export --verbose": ladder_blocks(cast("Any", SimpleNamespace(rungs=RUNGS))),
        "export --report": layer_blocks(LAYERS, LAYERS, Path("layers.png")),
    }


PARITY = [
    Parity("model.int8.tflite", REFERENCE, "int8", "equal", FOUND, "≥ 26.7 dB"),
    Parity("model.onnx", ONNX_RUNTIME, "fp32", "differs", FOUND, "≤ 1e-04"),
    Parity("preprocessing", None, "uint8", "equal", None, "≤ 1 level"),
    Parity("model.xml", EngineId("openvino"), "fp32", "skipped", None, "not installed, pip it"),
]
COMPILED = [
    Parity(VELA, ONNX_RUNTIME, "int8", "equal", FOUND, "bits", proof="exact"),
    Parity("mcu/mcu/model.tflite", None, "int8", "skipped", None, "no", proof="compiled only"),
]
HELD_OUT = HeldOutComparison(
    "model.onnx by onnxruntime 1.32.0",
    "photographs",
    2000,
    (HeldOutRow("model.int8.tflite", REFERENCE.words(), FOUND, 0.9987),),
)
LEARNT = LearnDocument(
    bundle="photographs/networks/mobilenet_v2.edge",
    output="photographs/networks/mobilenet_v2.learnt.edge",
    data="photographs",
    labels=None,
    images=12_345,
    held_out=3_210,
    broken=12,
    notes=(),
    batch=16,
    learning_rate=0.001,
    epochs=30,
    best_epoch=25,
    stop="patience",
    steps=23_000,
    seconds=12_345.6,
    left_out=("model.int8.tflite", "model.tflite", "npu/ethos-u55-128/model_vela.tflite"),
    history=(LearntEpoch(0, None, 1.5, 2_000, 0.0), LearntEpoch(1, 1.25, 0.5, 3_000, 400.0)),
    rows=tuple(
        LearnRow(
            "onnxruntime",
            precision,
            Share(1, 1.0, (0.9999, 1.0)),
            Share(1, 1.0, (0.9999, 1.0)),
            PairedFields(3_210, 3_000, 1_234, 1_234, 1.2e-10, Share(1, 1.0, (0.99, 1.0))),
        )
        for precision in ("fp32", "int8")
    ),
)
COSTS = [
    WayCost("area, BGR", "OpenCV's INTER_AREA without the swap of the channels", None, "not here"),
    WayCost(
        "bilinear, no antialias", "torch's interpolate", Cost(12.5, 1.2, 31, (0.8, 0.9), 9, 32)
    ),
]
COUNTS = dict.fromkeys(("mmla", "fmla", "mull", "mlal"), 0) | {
    "total": 180_700_000,
    "dot": 50_000_000,
}
PROVED = tuple(
    ProvedRow(
        Subject("net.edge", artefact, "tflite", "int8", 1, "main"),
        Parity(artefact, REFERENCE, "int8", verdict, FOUND, ""),
        Likeness(REFERENCE, is_identical=True),
        Instructions(COUNTS, 3, 0.0) if verdict == "equal" else None,
        108_000_000,
    )
    for artefact, verdict in (("model.int8.tflite", "equal"), ("model.tflite", "crashed"))
)
ESTIMATE = Estimate(
    device="ethos-u55-128",
    artefact=VELA,
    compiler="ethos-u-vela 4.5.0",
    configuration={"system": "Ethos_U55_High_End_Embedded", "clock_mhz": 500.0},
    latency_ms=1.256,
    cycles=627_760,
    utilisation=0.505,
    memory_bytes={"sram": 51_888, "off_chip_flash": 1_234_567},
    left_out=("LOG_SOFTMAX y",),
    report={},
)
SHARE = Share(1772, 0.886, (0.8713, 0.8992))
PAIRED = PairedFields(2000, 1772, 12, 3, 0.035, SHARE)
EVALUATED = EvaluateDocument(
    "mobilenet_v2.edge",
    "cifar10",
    2000,
    0,
    (),
    tuple(
        EvaluateRow(bundle, "onnxruntime", precision, SHARE, SHARE, PAIRED)
        for bundle in ("mobilenet_v2.edge", "mobilenet_v2-2.edge")
        for precision in ("fp32", "int8")
    ),
)
LAYER = LayerFields(
    "inception4e.branch3.1.convolution.depthwise",
    "convolution",
    (1024, 1024),
    (11, 11),
    (2, 1),
    (5, 4, 5, 4),
    (2, 2),
    1024,
)
GRADIENT = GradientDocument(
    "efficientnet_b7",
    {"classes": 1000, "width": 0.25, "stem": "imagenet"},
    "imagenet",
    "pictures/2024/holidays/IMG_20240718_173512.jpg",
    LossFields(3, "American Staffordshire terrier, Staffordshire terrier", 0.875, 0.1335),
    LAYER,
    1023,
    1023,
    tuple(
        TensorFields(name, (1024, 1024, 112, 112), 1.234e-12)
        for name in ("X", "F", "dL/dY", "dL/dX", "dL/dF", "dL/db")
    ),
    "gradient.png",
)
CLASSES = [
    Classification(0, "American Staffordshire terrier, Staffordshire terrier, pit bull", 0.5),
    Classification(1, "斯塔福郡斗牛梗 🐕", 0.25),
]
TARGETS = [
    TargetResult(
        target_profile("ethos-u55-128"),
        Compiled(cast("Any", None), {VELA: b"x" * 274_000}, {}, 0.8),
        Proof("tosa_reference_model 2026.8.0", "equal", "30 of 30", "compiled only", FOUND),
    )
]
DEVICES = [
    ListedDevice("host", "host", "this machine", None, True, "2 × AMD EPYC 9B14, onnxruntime"),
    ListedDevice(
        "lab-orangepi5",
        "ssh",
        "root@orangepi5.laboratory.example.org",
        "rk3588",
        False,
        "ssh: connect to host orangepi5.laboratory.example.org port 22: Connection refused",
    ),
]
CHECKS = [
    check("engine onnxruntime", True, "1.32.0", needed=True),
    check(
        "engine native",
        False,
        "no kernels for this CPU",
        "pip install edgecnn-native",
        needed=False,
    ),
    check(
        "rknn-toolkit2",
        False,
        "not installed; Rockchip's compiler and simulator, proprietary licence",
        "python3.11 -m venv rknn && rknn/bin/pip install -c constraints-rknn.txt rknn-toolkit2",
        needed=False,
    ),
]
RUNGS = [
    SimpleNamespace(
        name="equalise depthwise",
        is_kept=kept,
        before=SimpleNamespace(judged_db=31.25),
        after=SimpleNamespace(judged_db=35.11),
        note="17 pairs of a depthwise and a pointwise convolution, the most unequal by a factor "
        "of 17 in features.1.conv.0.0.weight",
    )
    for kept in (True, False)
]
LAYERS = [
    Sensitivity(f"features.{n}.conv.0.depthwise.weight_quantised", "ConvTranspose", 40.0 + n, 30.0)
    for n in range(12)
]


def bench(*bundles: str) -> BenchResult:
    """Three rows a bundle."""
    subjects = [
        replace(each, bundle=bundle, threads=threads)
        for bundle in bundles
        for each, threads in ((FLOAT, 4), (INT8, 4), (INT8, 1))
    ]
    return assemble(subjects, run(30, lambda row, n: (7.0 + row) * (1 + 0.005 * sin(n)), subjects))
