"""Vela on small networks: its files, its estimates, and what it leaves to the CPU."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from unit.exporters.targets.npu.ethos_u.support import (
    LOGARITHMS,
    POINT,
    POINT_MACS,
    ROWS,
    integer_network,
    needs_vela,
    settings,
)

from edgecnn_exporters.errors import DoesNotFit
from edgecnn_exporters.targets.npu.ethos_u.compiler import EthosUCompiler
from edgecnn_exporters.targets.npu.ethos_u.configuration import Configuration
from edgecnn_exporters.targets.npu.ethos_u.cpu_operators import cpu_operators
from edgecnn_exporters.targets.npu.ethos_u.vela import run_vela
from edgecnn_exporters.targets.profile import target_profile, target_profiles

pytestmark = needs_vela
STRIDE = "[wise] y = Conv <group = 6, strides = [4, 4]> (x, wise)"
SHUFFLE = """
    [double] p = Conv <group = 6, pads = [1, 1, 1, 1]> (x, double)
    s = DepthToSpace <blocksize = 2, mode = "CRD"> (p)
    y = Relu (s)
"""
NAMES = [name for name, each in target_profiles().items() if each.family == "ethos-u"]


def test_the_estimate_is_of_the_whole_network_and_names_the_system_that_it_is_for(
    tmp_path: Path,
) -> None:
    network = integer_network(POINT)
    compiled = EthosUCompiler().compile(
        network, target_profile("ethos-u55-128"), settings(tmp_path)
    )
    report = compiled.report
    assert report["configuration"] == {
        "accelerator": "ethos-u55-128",
        "system_config": "Ethos_U55_High_End_Embedded",
        "memory_mode": "Shared_Sram",
        "clock_mhz": 500.0,
    }
    assert (report["proof"], report["macs"]) == ("estimated", POINT_MACS)
    assert report["latency_ms"] == pytest.approx(1e3 * report["cycles"] / 500e6)
    assert report["utilisation"] == pytest.approx(POINT_MACS / (128 * report["cycles"]))
    assert sum(each["macs"] for each in report["operators"]) == POINT_MACS
    # Six channels in and five out are in SRAM together, in blocks of sixteen at most.
    assert 11 * 64 <= report["memory_bytes"]["sram"] <= 32 * 64
    assert (compiled.on_cpu, report["not_estimated"]) == ((), [])


def test_the_artefact_is_a_tflite_file_with_the_encodings_of_what_it_was_compiled_from(
    tmp_path: Path,
) -> None:
    network = integer_network(POINT)
    compiled = EthosUCompiler().compile(network, target_profile("corstone-320"), settings(tmp_path))
    artefact = compiled.artefact
    assert (artefact.target, artefact.format, artefact.proof) == (
        *("ethos-u85-256", "ethos-u"),
        "estimated",
    )
    assert artefact.encodings == network.tflite_entry.encodings
    assert artefact.report == "npu/ethos-u85-256/report.json"
    (content,) = compiled.files.values()
    assert content[4:8] == b"TFL3"
    assert b"ethos-u" in content


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_compiles_without_a_warning_and_twice_to_the_same_bytes(
    name: str, tmp_path: Path
) -> None:
    configuration = Configuration.of(target_profile(name))
    network = integer_network(POINT)
    run = run_vela(network.tflite, configuration, settings(tmp_path))
    assert "Warning" not in run.messages
    assert run.summary["accelerator_configuration"].lower().replace("_", "-") == name
    if name == NAMES[0]:
        again = tmp_path / "again"
        again.mkdir()
        assert run_vela(network.tflite, configuration, settings(again)).model == run.model


def test_an_operator_that_no_ethos_u_has_is_named_with_the_way_out(tmp_path: Path) -> None:
    network = integer_network(LOGARITHMS, ROWS)
    compiled = EthosUCompiler().compile(
        network, target_profile("ethos-u55-128"), settings(tmp_path)
    )
    (operator,) = compiled.on_cpu
    assert (operator.operator, operator.node) == ("LOG_SOFTMAX", "y")
    assert operator.reason == "Unsupported opType"
    assert "end the network at the logits" in operator.fix
    assert compiled.report["not_estimated"] == ["LOG_SOFTMAX y"]
    assert compiled.notes == ("the estimate leaves out 1 operator on the CPU",)


@pytest.mark.parametrize(
    ("body", "operator", "fix"),
    [
        # A stride that the U55 lacks: Vela's own words are the way out.
        (
            "[wise] y = Conv <group = 6, strides = [4, 4]> (x, wise)",
            "DEPTHWISE_CONV_2D",
            "range (1,3)",
        ),
        # In PyTorch's order of channels a pixel shuffle is a GATHER first.
        (
            SHUFFLE,
            "GATHER",
            "--for ethos-u85-256",
        ),
    ],
    ids=["stride", "shuffle"],
)
def test_what_an_older_npu_lacks_is_told_with_what_would_mend_it(
    body: str, operator: str, fix: str, tmp_path: Path
) -> None:
    network = integer_network(body)
    configuration = Configuration.of(target_profile("ethos-u55-128"))
    run = run_vela(network.tflite, configuration, settings(tmp_path))
    found = {each.operator: each for each in cpu_operators(run, configuration, settings(tmp_path))}
    assert fix in found[operator].fix


@pytest.mark.parametrize("name", ["ethos-u55-128", "ethos-u65-256", "ethos-u85-256"])
def test_padding_before_a_stride_of_four_stays_on_the_npu(name: str, tmp_path: Path) -> None:
    """The first layer of AlexNet: joined with its padding, Vela fails on it."""
    network = integer_network("[full] y = Conv <strides = [4, 4], pads = [2, 2, 1, 1]> (x, full)")
    assert EthosUCompiler().compile(network, target_profile(name), settings(tmp_path)).on_cpu == ()


def test_activations_larger_than_the_boards_sram_are_told_in_bytes(tmp_path: Path) -> None:
    profile = target_profile("ethos-u55-128")
    small = replace(profile, settings={**profile.settings, "board": "Tiny-1", "sram_bytes": 500})
    with pytest.raises(DoesNotFit) as told:
        EthosUCompiler().compile(integer_network(POINT), small, settings(tmp_path))
    found = re.search(
        r"needs ([\d,]+) bytes .* most of it at Conv2D y: ([\d,]+) more", str(told.value)
    )
    assert found is not None, told.value
    needed, over = (int(number.replace(",", "")) for number in found.groups())
    assert needed - over == 500
    assert "of a Tiny-1" in str(told.value)
