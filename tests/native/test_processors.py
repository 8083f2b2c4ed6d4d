"""Old x86-64 processors, emulated: the library chooses kernels that they run."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from native.plan_bytes import ARENA, INPUT, OUTPUT, Plan

QEMU = shutil.which("qemu-x86_64")
SHAPE, CHANNELS, SIZE = (16, 9, 11), 48, (48, 7, 9)

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="another architecture"),
    pytest.mark.skipif(QEMU is None, reason="apt-get install qemu-user"),
]


def _parameters(draw: np.random.Generator, depth: int, scale: float) -> dict[str, np.ndarray]:
    """Of each channel `depth` weights, a bias, a multiplier that spreads sums over a byte."""
    return {
        "weights": draw.integers(-128, 128, depth * CHANNELS).astype(np.int8),
        "bias": draw.integers(-20000, 20000, CHANNELS).astype(np.int32),
        "multiplier": draw.uniform(scale / 2, scale, CHANNELS).astype(np.float32),
    }


def _network() -> bytes:
    """Convolutions, dense and depthwise, with tables; a sum, a product, pools and a gate."""
    draw, plan = np.random.default_rng(0), Plan()
    inputs = plan.tensor(INPUT, SHAPE)
    stored = {"pads": (1, 1), "pad_value": 7}
    image = plan.tensor(ARENA, SHAPE, **stored)
    dense = plan.tensor(ARENA, (CHANNELS, 9, 11), **stored)
    deep, total, product = (plan.tensor(ARENA, (CHANNELS, 9, 11)) for _ in range(3))
    most, mean = plan.tensor(ARENA, SIZE), plan.tensor(ARENA, (CHANNELS, 1, 1))
    window = {"kernel": (3, 3), "pads": (1, 1), "zero_points": (120, 7, 7)}
    plan.operation("quantise", (inputs,), image, 16, factors=(1, 0, 0))
    table = draw.integers(0, 256, 256).astype(np.uint8)
    window |= {"table": table, "pad_row": plan.scratch(13 * CHANNELS)}
    weights, depthwise_weights = _parameters(draw, 9 * 16, 1e-3), _parameters(draw, 9, 4e-3)
    plan.operation("convolution", (image,), dense, 16, CHANNELS, **window, **weights)
    plan.operation("depthwise", (dense,), deep, CHANNELS, **window, **depthwise_weights)
    plan.operation("add", (dense, deep), total, CHANNELS, factors=(0.6, 0.7, -40))
    plan.operation("multiply", (total, deep), product, CHANNELS, factors=(0.01, 0, 110),
                   zero_points=(0, 90, 120))  # fmt: skip
    plan.operation("max_pool", (product,), most, CHANNELS, kernel=(3, 3))
    plan.operation("global_pool", (most,), mean, CHANNELS, factors=(1 / 63, 0, 0))
    gated, output = plan.tensor(ARENA, SIZE), plan.tensor(OUTPUT, SIZE)
    plan.operation("multiply", (most, mean), gated, CHANNELS, factors=(0.02, 0, 30),
                   zero_points=(0, 120, 10))  # fmt: skip
    plan.operation("dequantise", (gated,), output, CHANNELS, factors=(1, 0, 0))
    for number in range(len(plan.operations)):
        plan.group(number, 1, 1)
    return plan.to_bytes()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan, and its input beside it."""
    path = tmp_path_factory.mktemp("processors") / "network.plan"
    path.write_bytes(_network())
    image = np.random.default_rng(1).integers(0, 256, SHAPE).astype(np.uint8)
    path.with_suffix(".input").write_bytes(image.tobytes())
    return path


def _run(library: Path, plan: Path, *emulator: str) -> tuple[str, bytes]:
    """The kernels that ran, and the output."""
    output = plan.with_suffix(".output")
    script = [sys.executable, "-S", Path(__file__).with_name("run_plan.py"), library]
    command = [*emulator, *script, plan, plan.with_suffix(".input"), output, np.prod(SIZE)]
    run = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip(), output.read_bytes()


@pytest.fixture(scope="module")
def here(library_path: Path, plan: Path) -> bytes:
    """What this processor answers."""
    _, output = _run(library_path, plan)
    assert len(set(output)) > 50, "a network whose answers are nearly all alike proves nothing"
    return output


@pytest.mark.parametrize(
    ("processor", "kernels"),
    [
        ("Nehalem", "portable"),
        ("max,-fma", "portable"),
        ("max,-xsave", "portable"),
        ("Haswell", "avx2"),
    ],
)
def test_a_processor_gets_kernels_that_it_runs_and_the_same_answer(
    library_path: Path, plan: Path, here: bytes, processor: str, kernels: str
) -> None:
    assert QEMU is not None
    assert _run(library_path, plan, QEMU, "-cpu", processor) == (kernels, here)
