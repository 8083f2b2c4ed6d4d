"""Why a board has no plug-in engine, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import contents
from native_plans import brightest_plan
from plugin_engine import DISTRIBUTION, NAME, install, put_on_path

from edgecnn.bench.absent import (
    EngineReports,
    absent_rows,
    left_out_of_pages,
    why_not_brought,
)
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import OWN_PACKAGES
from edgecnn.web.engines import NATIVE_INSTALL
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.measure.job import Environment, MeasurementPlan

BROUGHT = Environment(("python", "-S", "agent.pyz"), ("wheels/numpy",))
OWN = Environment(("/usr/bin/python3", "agent.pyz"))
HAS_IT = {"engines": {NAME: "0.3"}, "missing": {}}
HAS_IT_NOT = {"engines": {"onnxruntime": "1.32.0"}, "missing": {}}


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(install(tmp_path / "site"), monkeypatch)


def reasons(bundle: Path, reports: EngineReports, *engines: str) -> list[str]:
    wanted = Wanted(bundle, MeasurementPlan(), engines=engines or (NAME,))
    return [one.reason for one in absent_rows(wanted, {bundle: "x.edge"}, reports, "rpi4-emulated")]


def test_what_is_there_is_not_absent(bundle: Path) -> None:
    assert reasons(bundle, EngineReports({OWN_PACKAGES: OWN}, {OWN_PACKAGES: HAS_IT})) == []


def test_engines_of_the_table_are_no_concern_of_it(bundle: Path) -> None:
    assert reasons(bundle, EngineReports({"main": BROUGHT}, {"main": HAS_IT_NOT}), "fake") == []


def test_a_board_without_a_python_of_its_own_cannot_be_given_it(bundle: Path) -> None:
    expected = (
        f"{NAME} comes with the package {DISTRIBUTION}, which cannot be brought to rpi4-emulated; "
        "measure it on a device whose own interpreter has it"
    )
    assert reasons(bundle, EngineReports({"main": BROUGHT}, {"main": HAS_IT_NOT})) == [expected]
    wanted = Wanted(bundle, MeasurementPlan(), engines=(NAME,))
    assert why_not_brought(wanted, "rpi4-emulated") == {DISTRIBUTION: expected}


def test_an_interpreter_without_it_is_named_with_the_command(bundle: Path) -> None:
    command = f"/usr/bin/python3 -m pip install {DISTRIBUTION}"
    there = {OWN_PACKAGES: OWN}
    assert reasons(bundle, EngineReports(there, {OWN_PACKAGES: HAS_IT_NOT})) == [
        f"{NAME} is not installed there: {command}"
    ]
    failed = EngineReports(there, {}, {OWN_PACKAGES: "No module named 'numpy'"})
    assert reasons(bundle, failed) == [
        f"{NAME} cannot be looked for (No module named 'numpy'): {command}"
    ]


def test_one_that_is_there_and_does_not_work_says_why_itself(bundle: Path) -> None:
    missing = {NAME: {"reason": "does not load (no driver)", "mend": "install the driver"}}
    host = {"engines": {NAME: None}, "missing": missing}
    assert reasons(bundle, EngineReports({OWN_PACKAGES: OWN}, {OWN_PACKAGES: host})) == [
        f"{NAME} does not load (no driver), install the driver"
    ]


def test_artefacts_that_no_page_opens_are_named_where_a_browser_is_asked(bundle: Path) -> None:
    wanted = Wanted(bundle, MeasurementPlan())
    assert left_out_of_pages(wanted, EngineReports({"host": OWN}, {})) == []
    assert left_out_of_pages(wanted, EngineReports({"host": OWN, "browser": OWN}, {})) == [
        "model.fake is left out in the browser: no engine there opens fake"
    ]


def test_plans_without_the_module_of_their_engine_are_left_out_with_the_command(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.edge"
    write_bundle(path, *contents("plan", brightest_plan()))
    wanted = Wanted(path, MeasurementPlan())
    there = {"browser": OWN}
    assert left_out_of_pages(wanted, EngineReports(there, {"browser": HAS_IT_NOT})) == []
    missing = {"native-web": {"reason": "has no edgecnn_native.wasm", "mend": NATIVE_INSTALL}}
    host = {"engines": {"native-web": None}, "missing": missing}
    assert left_out_of_pages(wanted, EngineReports(there, {"browser": host})) == [
        "model.plan is left out in the browser: native-web has no edgecnn_native.wasm; "
        "pip install edgecnn-native, or in a clone: python native/compile.py"
    ]
