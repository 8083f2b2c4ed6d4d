"""Verdicts on simulated latencies, where the truth is known."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from edgecnn_runtime.measure.rounds import MIN_ROUNDS_FOR_VERDICT
from edgecnn_runtime.measure.statistics import compare, median_interval

ROUNDS = 30
Noise = Callable[[np.random.Generator, int], np.ndarray]


def white(random: np.random.Generator, n: int) -> np.ndarray:
    return 10 * (1 + 0.01 * random.standard_normal(n))


def heavy_tailed(random: np.random.Generator, n: int) -> np.ndarray:
    return 10 * (1 + 0.01 * np.abs(random.standard_t(2, n)))


def autocorrelated(random: np.random.Generator, n: int) -> np.ndarray:
    noise = np.empty(n)
    noise[0] = random.standard_normal()
    for i in range(1, n):
        noise[i] = 0.7 * noise[i - 1] + 0.7 * random.standard_normal()
    return 10 * (1 + 0.015 * noise)


def drifting(random: np.random.Generator, n: int) -> np.ndarray:
    return white(random, n) * np.linspace(1, 1.3, n)


NOISES: list[Noise] = [white, heavy_tailed, autocorrelated, drifting]


def loud(random: np.random.Generator, n: int) -> np.ndarray:
    return 10 * np.exp(0.1 * random.standard_normal(n))


def verdicts(noise: Noise, factor: float, count: int, rounds: int = ROUNDS) -> list[str]:
    """Verdicts on ABBA rounds: candidate and baseline are neighbours in one stream of noise."""
    verdicts = []
    for seed in range(count):
        stream = noise(np.random.default_rng(seed), 2 * rounds).reshape(rounds, 2)
        stream[1::2] = stream[1::2, ::-1]
        verdicts.append(compare(stream[:, 0] * factor, stream[:, 1], seed=seed).verdict)
    return verdicts


@pytest.mark.parametrize("noise", NOISES)
def test_the_same_artefact_twice_is_no_difference_in_95_of_100(noise: Noise) -> None:
    assert verdicts(noise, 1.0, 200).count("no difference") >= 190


@pytest.mark.parametrize("noise", [white, heavy_tailed, loud])
@pytest.mark.parametrize("rounds", [4, 8, 12])
def test_few_rounds_are_no_excuse_for_a_wrong_verdict(noise: Noise, rounds: int) -> None:
    assert verdicts(noise, 1.0, 200, rounds).count("no difference") >= 190


def test_fewer_rounds_than_a_verdict_takes_name_no_winner() -> None:
    few = MIN_ROUNDS_FOR_VERDICT - 1
    assert compare([20.0] * few, [10.0] * few).verdict == "no difference"
    assert compare([20.0] * (few + 1), [10.0] * (few + 1)).verdict == "slower"


def test_the_interval_of_the_least_rounds_is_their_whole_range() -> None:
    """Of 8 pairs the range misses the median with 2 / 2^8, the next smaller with 18 / 2^8."""
    ratios = [1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08]
    comparison = compare(ratios, [1.0] * 8)
    assert (comparison.low, comparison.high) == pytest.approx((1.01, 1.08))


@pytest.mark.parametrize(("factor", "verdict"), [(1.03, "slower"), (0.97, "faster")])
def test_three_percent_are_found_in_quiet_noise_in_95_of_100(factor: float, verdict: str) -> None:
    assert verdicts(white, factor, 100).count(verdict) >= 95


@pytest.mark.parametrize("noise", NOISES)
def test_a_winner_is_never_the_slower_one(noise: Noise) -> None:
    assert "faster" not in verdicts(noise, 1.05, 50)


def test_a_difference_within_the_margin_is_none() -> None:
    exact = np.full(ROUNDS, 10.0)
    comparison = compare(exact * 1.005, exact)
    assert comparison.verdict == "no difference"
    assert comparison.ratio == pytest.approx(1.005)


def test_a_tainted_run_names_no_winner() -> None:
    assert compare([20.0] * 10, [10.0] * 10, tainted=True).verdict == "tainted"


@pytest.mark.parametrize(("own", "others"), [(3, 3), (5, 6), (0, 0)])
def test_too_few_or_unequal_rounds_are_refused(own: int, others: int) -> None:
    with pytest.raises(ValueError, match="at least 4"):
        compare([1.0] * own, [1.0] * others)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        samples = np.random.default_rng(seed).lognormal(sigma=0.3, size=100)
        low, high = median_interval(samples)
        covered += low <= 1.0 <= high
    assert 180 <= covered <= 200


def test_neighbours_that_are_alike_widen_the_interval() -> None:
    random = np.random.default_rng(1)
    independent = random.standard_normal(400)
    alike = np.repeat(random.standard_normal(50), 8)
    width = [high - low for low, high in map(median_interval, (independent, alike))]
    assert width[1] > 1.5 * width[0]


def test_an_interval_is_the_same_each_time() -> None:
    samples = np.random.default_rng(0).random(50)
    assert median_interval(samples) == median_interval(samples)


def test_many_samples_are_resampled_in_little_memory() -> None:
    """15 000 samples, 2000 times: 240 MB of float64 in one piece, and as much of indices."""
    samples = np.random.default_rng(0).random(15_000)
    tracemalloc.start()
    low, high = median_interval(samples)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert low < 0.5 < high
    assert peak_bytes < 60e6
