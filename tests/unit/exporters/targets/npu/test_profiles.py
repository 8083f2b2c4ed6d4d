"""Profiles of NPUs: names, sources, chips, and those of plug-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn_exporters.targets import TargetInvalid, UnknownTarget
from edgecnn_exporters.targets.profile import target_profile, target_profiles

PLUGIN = """
from edgecnn_exporters.targets.profile import TargetProfile

class Compiler:
    family = "board"
    toolchains = ()
    profiles = (TargetProfile("board-1", "{family}", "a board", "its manual", ("chip-1",)),)
"""


def install(site: Path, module: str) -> None:
    info = site / "edgecnn_board-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edgecnn-board\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edgecnn.compilers]\nboard = board_plugin:Compiler\n")
    (site / "board_plugin.py").write_text(module)


def test_no_name_or_alias_is_used_twice_and_every_profile_has_its_source() -> None:
    profiles = target_profiles().values()
    names = [name for each in profiles for name in (each.name, *each.aliases)]
    assert sorted(set(names)) == sorted(names)
    assert names == [name.lower() for name in names]
    for each in profiles:
        assert each.source, each.name
        assert each.title, each.name


def test_a_chip_of_qualcomm_is_compiled_for_an_architecture_that_is_a_target_too() -> None:
    htp = [each for each in target_profiles().values() if each.family == "htp"]
    architectures = {each.settings["htp_arch"] for each in htp if "soc_model" not in each.settings}
    assert architectures == {68, 69, 73, 75, 79, 81}
    chips = [each for each in htp if "soc_model" in each.settings]
    assert {each.settings["htp_arch"] for each in chips} == architectures
    assert len({each.settings["soc_model"] for each in chips}) == len(chips)


@pytest.mark.parametrize(
    ("typed", "name"), [("qcs6490", "qcm6490"), ("SM8650", "sm8650"), ("rk3588s", "rk3588")]
)
def test_a_chip_is_found_by_the_name_on_its_package(typed: str, name: str) -> None:
    assert target_profile(typed).name == name


def test_a_chip_that_is_not_listed_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownTarget, match=r"did you mean .*rk3568"):
        target_profile("rk3567")


def test_a_plug_in_brings_its_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, PLUGIN.format(family="board"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert target_profile("chip-1").name == "board-1"
    assert target_profiles()["board-1"].family == "board"


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("import not_there_at_all", r"'board' \(board_plugin:Compiler\) has no profiles: No mod"),
        ("class Compiler: pass", "has no profiles: .*no attribute 'profiles'"),
        (PLUGIN.format(family="htp"), "has profiles of the family 'htp', expected 'board'"),
    ],
)
def test_a_broken_plug_in_is_named_and_leaves_the_other_targets_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, says: str
) -> None:
    install(tmp_path, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "board_plugin", raising=False)
    assert target_profile("htp-v73").family == "htp"
    with pytest.raises(TargetInvalid, match=says):
        target_profile("board-1")
