"""Every kernel family gives what the formulas of plan.h give, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from native.binding import Library, Model
from native.cases import MAKERS, Case, bottlenecks, chains, lenet, operation_cases
from native.formulas import F
from native.network import Network
from native.stored_rows import stored_before_windows


def check(library: Library, cases: Iterable[Case], threads: tuple[int, ...] = (1, 3)) -> None:
    """All families, alone and in threads."""
    for case in cases:
        for family in library.families():
            for count in threads:
                with Model(library, case.plan, family, count) as model:
                    results = model.run(case.inputs)
                assert len(results) == len(case.outputs)
                for number, result in enumerate(results):
                    case.check(number, result, f"{case.name} by {family} in {count} threads")


@pytest.mark.parametrize("code", MAKERS)
def test_an_operation_of_any_size_equals_its_formula(library: Library, code: str) -> None:
    # 40 and more: every width from 1 to 40.
    count = 41 if code in ("convolution", "depthwise", "add", "multiply") else 20
    check(library, operation_cases(code, count))


def test_blocks_of_channels_pass_through_rings_in_strips(library: Library) -> None:
    check(library, bottlenecks(24), (1, 2, 5))


def test_rings_wrap_where_a_group_is_longer_than_they_are(library: Library) -> None:
    check(library, chains(20), (1, 2, 5))


def test_threads_do_not_change_stored_rows_that_others_read(library: Library) -> None:
    check(library, stored_before_windows(4, batch=40), (1, 2))


def test_a_whole_network_ends_in_floats(library: Library) -> None:
    check(library, [lenet()])


def test_inputs_beyond_all_numbers_saturate(library: Library) -> None:
    network = Network(np.random.default_rng(1), batch=1)
    x = network.image((3, 2, 20), is_float=True)
    network.output(x, is_float=False)
    values = np.zeros((1, 3, 2, 20), F)
    values[0, :, 0, :6] = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45]
    expected = np.zeros(values.shape, np.uint8)
    expected[0, :, 0, [1, 3]] = 255
    check(library, [Case("extremes", network.plan.to_bytes(), (values,), (expected,))])


def test_a_sum_at_the_end_of_32_bits_is_exact(library: Library) -> None:
    # 64 products of 255 * 127, and a bias that leaves just room for them.
    bias = 2**31 - 1 - 64 * 255 * 128
    for sign in (1, -1):
        network = Network(np.random.default_rng(1), batch=1)
        x = network.image((64, 1, 20))
        parameters = (
            np.full((16, 64, 1, 1), 127 * sign, np.int8),
            np.full(16, sign * bias, np.int32),
            np.full(16, F(100 / 2**31)),
        )
        y = network.product("convolution", x, 16, weights=parameters)
        network.group(1)
        network.output(y)
        full = (np.full((1, 64, 1, 20), 255, np.uint8),)
        scaled = F(sign * (bias + 64 * 255 * 127)) * F(100 / 2**31)
        expected = np.full((1, 16, 1, 20), max(np.rint(scaled), 0), F)
        check(library, [Case("largest sum", network.plan.to_bytes(), full, (expected,))])
