"""Which platform tags a board takes, and what a wheel's name says that it needs."""

from __future__ import annotations

import pytest

from edgecnn.devices.wheels.target import WheelTarget, markers, needed_glibc, platforms


def tags(machine: str, libc: str, major: int, minor: int) -> tuple[str, ...]:
    return platforms(WheelTarget(machine, (libc, (major, minor)), (3, 11)))


def test_every_older_glibc_is_taken_and_no_newer() -> None:
    found = tags("aarch64", "glibc", 2, 31)
    assert found[0] == "manylinux_2_31_aarch64"
    assert "manylinux_2_17_aarch64" in found
    assert "manylinux2014_aarch64" in found
    assert not any("2_32" in one or "x86" in one for one in found)


def test_x86_takes_the_first_manylinux_too_and_arm_does_not() -> None:
    assert "manylinux1_x86_64" in tags("x86_64", "glibc", 2, 36)
    assert "manylinux1_aarch64" not in tags("aarch64", "glibc", 2, 36)


def test_musl_takes_its_own_alone() -> None:
    found = tags("aarch64", "musl", 1, 2)
    assert found[0] == "musllinux_1_2_aarch64"
    assert not any("manylinux" in one for one in found)


def test_they_agree_with_what_packaging_says_of_this_machine() -> None:
    import platform

    from packaging import tags as known

    name, version = platform.libc_ver()
    if name != "glibc":
        pytest.skip("packaging knows no musl version without asking the loader")
    major, minor = map(int, version.split(".")[:2])
    assert set(tags(platform.machine(), "glibc", major, minor)) == set(known.platform_tags())


def test_requirements_are_read_for_the_board_and_not_for_this_machine() -> None:
    from packaging.markers import default_environment

    environment = markers(WheelTarget("armv7l", ("glibc", (2, 36)), (3, 14)))
    assert set(environment) == set(default_environment())
    assert environment["platform_machine"] == "armv7l"
    assert environment["python_version"] == "3.14"


@pytest.mark.parametrize(
    ("file", "glibc"),
    [
        ("a-1-cp311-cp311-manylinux_2_35_aarch64.whl", (2, 35)),
        ("a-1-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl", (2, 27)),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", (2, 17)),
        ("a-1-cp311-cp311-manylinux1_x86_64.whl", (2, 5)),
        ("a-1-py3-none-any.whl", None),
    ],
)
def test_a_wheel_needs_the_oldest_glibc_of_its_name(
    file: str, glibc: tuple[int, int] | None
) -> None:
    assert needed_glibc(file) == glibc
