"""Estimates in a bundle: found by the name of the target, and never taken on trust."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile.edited import bundle_with

from edgecnn.bench.estimated import read_estimates, split_targets
from edgecnn.errors import BenchRefused
from edgecnn.report.blocks import text_of
from edgecnn.report.estimated_table import estimated_blocks
from edgecnn.results.bench import LatencyResult
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.manifest import Artefact

PLAIN = Artefact("model.fake", "fake", "fp32")
COMPILED = Artefact(
    "npu/ethos-u55-128/model_vela.tflite",
    "ethos-u",
    "int8",
    proof="estimated",
    compiler="ethos-u-vela 5.2.0",
    target="ethos-u55-128",
    report="npu/ethos-u55-128/report.json",
)
REPORT: dict[str, Any] = {
    "configuration": {
        "accelerator": "ethos-u55-128",
        "system_config": "Ethos_U55_High_End_Embedded",
        "memory_mode": "Shared_Sram",
        "clock_mhz": 500.0,
    },
    "latency_ms": 1.256,
    "cycles": 627_760,
    "utilisation": 0.505,
    "memory_bytes": {"sram": 51_888},
    "not_estimated": ["LOG_SOFTMAX y"],
}
TARGETS = (target_profile("ethos-u55-128"),)


def bundle(
    folder: Path, report: dict[str, Any] | None = None, artefact: Artefact = COMPILED
) -> Path:
    files = {artefact.path: b"TFL3"}
    if artefact.report is not None:
        files[artefact.report] = json.dumps(report or REPORT).encode()
    return bundle_with(folder, files, artefacts=(PLAIN, artefact))


def test_an_estimate_is_printed_with_the_system_that_it_holds_for_and_what_it_leaves_out(
    tmp_path: Path,
) -> None:
    estimates = read_estimates(bundle(tmp_path), TARGETS)
    printed = " ".join(text_of(estimated_blocks(estimates)).split())
    assert "estimated ms" in printed
    for part in ("1.26", "627,760", "500 MHz", "50%", "sram 52 kB"):
        assert part in printed
    assert "not measured, for ethos-u55-128, Ethos_U55_High_End_Embedded, Shared_Sram" in printed
    assert "without 1 operator on the CPU: LOG_SOFTMAX y" in printed
    (fields,) = LatencyResult({}, estimates=tuple(estimates)).to_dict()["estimated"]
    assert fields["device"] == "ethos-u55-128"
    assert fields["configuration"] == REPORT["configuration"]


def test_a_report_does_not_say_what_it_is_of(tmp_path: Path) -> None:
    false = {"device": "rpi5", "artefact": "model.fake", "proof": "exact", "compiler": "none"}
    estimates = read_estimates(bundle(tmp_path, REPORT | false), TARGETS)
    (fields,) = LatencyResult({}, estimates=tuple(estimates)).to_dict()["estimated"]
    assert {key: fields[key] for key in false} == {
        "device": "ethos-u55-128",
        "artefact": COMPILED.path,
        "proof": "estimated",
        "compiler": COMPILED.compiler,
    }


def test_a_target_that_was_not_compiled_says_the_command(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    with pytest.raises(BenchRefused, match=rf"edgecnn compile {path} --for ethos-u85-256$"):
        read_estimates(path, (target_profile("corstone-320"),))


def test_an_artefact_of_another_kind_of_proof_has_no_estimate(tmp_path: Path) -> None:
    simulated = replace(COMPILED, proof="compiled only", report=None)
    with pytest.raises(BenchRefused, match=r"is compiled only: nothing is estimated"):
        read_estimates(bundle(tmp_path, artefact=simulated), TARGETS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"latency_ms": "fast"}, r"report\.latency_ms is"),
        ({"cycles": None}, r"report\.cycles is"),
        ({"memory_bytes": {"sram": [1]}}, r"memory_bytes\.sram is"),
        ({"configuration": {"clock_mhz": True}}, r"configuration\.clock_mhz is"),
        ({"configuration": {"clock_mhz": -1}}, r"report\.configuration\.clock_mhz is -1"),
        ({"latency_ms": -0.5}, r"report\.latency_ms is -0\.5, expected a number from 0"),
        ({"latency_ms": math.nan}, "report holds NaN"),
        ({"memory_bytes": {"sram": -1}}, r"report\.memory_bytes\.sram is -1"),
        ({"memory_bytes": {"sram": 10**400}}, r"report holds 10{199}…, expected numbers below"),
        ({"operators": [{"cycles": 10**15}]}, "report holds 10{15}, expected numbers below"),
    ],
)
def test_a_report_without_sound_figures_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    path = bundle(tmp_path, REPORT | change)
    with pytest.raises(BenchRefused, match=rf"no report of estimates \(.*{says}"):
        read_estimates(path, TARGETS)


def test_names_of_targets_are_told_from_names_of_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "devices.toml"
    monkeypatch.setenv("EDGECNN_CONFIG", str(tmp_path))
    path = bundle(tmp_path)
    typed = ("host", "corstone-300", "ethos-u55-128", "ethos-u65-256", "rk3588")
    names, targets = split_targets(typed, path)
    assert names == ("host", "rk3588")
    assert [each.name for each in targets] == ["ethos-u55-128", "ethos-u65-256"]
    config.write_text('[ethos-u55-128]\nssh = "pi@desk.invalid"\n', encoding="utf-8")
    names, targets = split_targets(("ethos-u55-128",), path)
    assert (names, targets) == (("ethos-u55-128",), ())


def test_a_board_s_profile_that_no_device_has_is_a_target_where_the_bundle_has_its_artefact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CONFIG", str(tmp_path))
    rknn = replace(COMPILED, path="npu/rk3588/model.rknn", proof="compiled only", target="rk3588")
    path = bundle(tmp_path, artefact=replace(rknn, report=None))
    names, targets = split_targets(("rk3588",), path)
    assert names == ()
    with pytest.raises(BenchRefused, match=r"nothing is .* for rk3588 here; edgecnn verify"):
        read_estimates(path, targets)
    config = tmp_path / "devices.toml"
    config.write_text('[a]\nssh = "pi@desk.invalid"\nprofile = "rk3588"\n', encoding="utf-8")
    assert split_targets(("rk3588",), path) == (("rk3588",), ())


def test_the_target_of_pages_is_measured_in_the_browser(tmp_path: Path) -> None:
    with pytest.raises(BenchRefused, match=r"web is the target of pages.*: --device browser$"):
        split_targets(("web",), bundle(tmp_path))
