"""What of a simulator's answers is near enough to the float network."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.npu.support import answered

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.npu.agreement import judge

RANDOM = np.random.default_rng(0)
EXPECTED = RANDOM.standard_normal((400, 4)).astype(np.float32)
NOISE = RANDOM.standard_normal((400, 4)).astype(np.float32)
CPU = EXPECTED + 0.03 * NOISE


def rows(answers: np.ndarray) -> list[dict[str, np.ndarray]]:
    return [{"y": row[None]} for row in answers.astype(np.float32)]


def test_noise_as_large_as_the_cpus_is_equal() -> None:
    agreement = judge(answered(EXPECTED, CPU), rows(EXPECTED - 0.03 * NOISE[::-1]))
    assert agreement.verdict == "equal"
    # 20 log10(1 / 0.03), of a signal and a noise of variance 1.
    assert agreement.simulated.sqnr_db == pytest.approx(30.5, abs=0.5)
    cpu = agreement.cpu.sqnr_db
    assert agreement.words.endswith(f"the CPU's int8 {cpu:.1f} dB")


@pytest.mark.parametrize("factor", [1.7, np.nan])
def test_noise_of_more_than_twice_the_power_is_told(factor: float) -> None:
    agreement = judge(answered(EXPECTED, CPU), rows(EXPECTED + 0.03 * factor * NOISE))
    assert agreement.verdict == "differs"
    assert "y[0:4] has" in agreement.words


def test_another_class_counts_only_where_the_float_scores_are_clear() -> None:
    expected = np.array([[9, 1, 0, 0], [5, 4.99, 0, 0]] * 50, np.float32)
    cpu = expected + np.float32(0.01)
    near, far = cpu.copy(), cpu.copy()
    near[1, 1] += 0.05
    far[0, 1] += 8.5
    network = answered(expected, cpu, is_classifier=True)
    assert judge(network, rows(near)).classes == (99, 100)
    assert not [miss for miss in judge(network, rows(near)).misses if "class" in miss]
    assert "example 0 has class 1, the float network's is 0" in judge(network, rows(far)).misses


def test_an_answer_of_another_size_is_told() -> None:
    wrong = [{"y": np.zeros((1, 5), np.float32)}] * len(EXPECTED)
    with pytest.raises(CompilerFailed, match=r"'y' of shape \(1, 5\), expected \(1, 4\)"):
        judge(answered(EXPECTED, CPU), wrong)
