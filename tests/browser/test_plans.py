"""Plans in the real browser: every kernel gives what the formulas of plan.h give, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser.real import native_module, real_browser
from native.cases import Case, all_cases, lenet, operation_cases
from native.formulas import Ending, F
from native.network import Network
from native.test_arm import products

from edgecnn.errors import PageFailed
from edgecnn.web.engines import NATIVE_FILE, script_files
from edgecnn.web.page import Page, open_page

BROWSER, MODULE = real_browser(), native_module()
HERE = Path(__file__).parent
SCRIPTS = ("native.js", "serve.js", "messages.js", "engines.js")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    files = {name: HERE / name for name in ("plans.html", "plans.js")}
    files |= {NATIVE_FILE: MODULE, **script_files(SCRIPTS)}
    with open_page(BROWSER, files, "plans.html") as page:
        yield page


def run(
    page: Page, plan: bytes, *inputs: Any, kernels: str | None = None, runs: int = 1
) -> tuple[dict[str, Any], list[np.ndarray]]:
    arrays = {str(index): array for index, array in enumerate(inputs)}
    arrays["plan"] = np.frombuffer(plan, np.uint8)
    request = {"do": "run", "kernels": kernels, "runs": runs}
    fields, outputs = page.ask(request, arrays, timeout_s=120)
    return fields, list(outputs.values())


def check(page: Page, cases: Iterable[Case], kernels: str | None = None) -> None:
    for case in cases:
        fields, results = run(page, case.plan, *case.inputs, kernels=kernels)
        assert fields["kernels"] == (kernels or "simd128")
        for output, result in enumerate(results):
            case.check(output, result, case.name)


def test_every_operation_equals_its_formula(page: Page) -> None:
    check(page, [*all_cases(8), lenet()])


def test_every_width_up_to_forty_is_whole(page: Page) -> None:
    for code in ("convolution", "depthwise", "add"):
        check(page, operation_cases(code, 40))


@pytest.mark.parametrize("spread", [1e-3, 0.1], ids=["within a byte", "beyond 16 bits"])
def test_sums_of_any_size_are_rounded_and_clamped(page: Page, spread: float) -> None:
    check(page, [*products(-128, spread, Ending(9, 250, None), 77), *products(-128, spread)])


def test_the_portable_kernels_are_right_without_a_c_library(page: Page) -> None:
    check(page, [*all_cases(2), lenet()], "portable")


@pytest.mark.parametrize(
    "factors", [(0.5, 0.25, 3.0), (1e-3, 3.0, -9.7), (2.0**-70, 0.5, 1e-30), (0.3, 9e5, 1e-12)]
)
def test_a_sum_is_rounded_twice_as_fused_products_are(
    page: Page, factors: tuple[float, float, float]
) -> None:
    network = Network(np.random.default_rng(3), batch=1)
    images = [network.image((64, 16, 64)) for _ in range(2)]
    total = network.add(*images, factors=factors)
    network.group(16)
    network.output(total, is_float=False)
    check(
        page, [Case("add", network.plan.to_bytes(), tuple(network.inputs), tuple(network.outputs))]
    )


def test_values_beyond_all_numbers_saturate(page: Page) -> None:
    network = Network(np.random.default_rng(1), batch=1)
    network.output(network.image((3, 2, 20), is_float=True), is_float=False)
    values = np.zeros((1, 3, 2, 20), F)
    values[0, :, 0, :6] = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45]
    expected = np.zeros(values.shape, np.uint8)
    expected[0, :, 0, [1, 3]] = 255
    check(page, [Case("extremes", network.plan.to_bytes(), (values,), (expected,))])


def test_a_plan_runs_again_and_again_and_in_any_batch(page: Page) -> None:
    case = lenet()
    _, (once,) = run(page, case.plan, *case.inputs, runs=3)
    np.testing.assert_array_equal(once, case.outputs[0])
    many = np.concatenate([case.inputs[0]] * 5)
    fields, (results,) = run(page, case.plan, many)
    assert fields["inputs"][0]["shape"] == [None, 1, 28, 28]
    np.testing.assert_array_equal(results, np.concatenate([once] * 5))


def test_what_the_library_refuses_is_told_in_its_words(page: Page) -> None:
    case = lenet()
    with pytest.raises(PageFailed, match="EDGEPLAN"):
        run(page, b"no plan at all" * 10, *case.inputs)
    with pytest.raises(PageFailed, match="kernels 'avx2' are not in this library"):
        run(page, case.plan, *case.inputs, kernels="avx2")
    with pytest.raises(PageFailed, match="10 values, expected a batch of 784 float32"):
        run(page, case.plan, np.zeros(10, np.float32))
    with pytest.raises(PageFailed, match="1176 values, expected a batch of 784 float32"):
        run(page, case.plan, np.zeros(784 * 3 // 2, np.float32))
