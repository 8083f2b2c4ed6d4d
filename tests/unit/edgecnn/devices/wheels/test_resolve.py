"""Wheels that agree, and why there are none, asked of an index by pip."""

from __future__ import annotations

import pytest
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.devices.wheels.index import NoWheel
from edgecnn.devices.wheels.reasons import reason_for_none
from edgecnn.devices.wheels.resolve import closure, resolve
from edgecnn.devices.wheels.target import WheelTarget

PI = WheelTarget("aarch64", ("glibc", (2, 36)), (3, 11))
PI_TAG = "cp311-cp311-manylinux_2_34_aarch64"


def test_a_requirement_for_another_python_or_machine_is_not_followed(index: Index) -> None:
    needs = ["old; python_version < '3.13'", "new; python_version >= '3.13'"]
    needs += ["arm; platform_machine == 'aarch64'", "pc; platform_machine == 'x86_64'"]
    needs += ["tool; extra == 'tools'", "mac; sys_platform == 'darwin'"]
    index.add("engine", "1.0", requires=needs)
    for name in ("old", "new", "arm", "pc", "tool", "mac"):
        index.add(name, "1.0")
    found = resolve(["engine"], WheelTarget("aarch64", ("glibc", (2, 41)), (3, 13)))
    assert {wheel.name for wheel in found} == {"engine", "new", "arm"}


def test_a_version_is_lowered_when_what_comes_later_asks_for_less(index: Index) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.add("numpy", version)
    index.add("engine", "1.0", requires=["middle"])
    index.add("middle", "1.0", requires=["numpy<3"])
    found = resolve(["numpy", "engine"], PI)
    assert {wheel.name: wheel.version for wheel in found}["numpy"] == "2.0"


def test_what_an_abandoned_version_required_is_not_kept(index: Index) -> None:
    index.add("engine", "2.0", requires=["ballast"])
    index.add("engine", "1.0")
    index.add("ballast", "1.0")
    index.add("app", "1.0", requires=["engine<2"])
    found = resolve(["engine", "app"], PI)
    assert {wheel.name: wheel.version for wheel in found} == {"engine": "1.0", "app": "1.0"}


def test_what_excludes_itself_ends_in_a_refusal(index: Index) -> None:
    index.add("a", "2", requires=["b<2"])
    index.add("a", "1", requires=["b>=2"])
    index.add("b", "2", requires=["a>=2"])
    index.add("b", "1", requires=["a<2"])
    with pytest.raises(NoWheel, match="agree"):
        resolve(["a", "b"], PI)


def test_the_missing_one_is_named_with_the_range_that_all_leave(index: Index) -> None:
    index.add("engine", "1.0", requires=["numpy<2"])
    index.add("numpy", "2.0")
    with pytest.raises(NoWheel) as caught:
        resolve(["engine", "numpy>=1.5"], PI)
    assert caught.value.package == "numpy"
    assert set(caught.value.requirement.removeprefix("numpy").split(",")) == {"<2", ">=1.5"}


def test_a_part_of_what_was_resolved_is_what_its_engines_reach(index: Index) -> None:
    index.add("one", "1", requires=["shared", "Own_Part"])
    index.add("two", "1", requires=["shared"])
    index.add("shared", "1")
    index.add("own-part", "1")
    wheels = resolve(["one", "two"], PI)
    assert [wheel.name for wheel in closure(["two"], wheels, PI)] == ["two", "shared"]
    assert {wheel.name for wheel in closure(["one"], wheels, PI)} == {"one", "shared", "own-part"}


@pytest.mark.parametrize(
    ("machine", "libc", "python", "reason"),
    [
        ("armv7l", ("glibc", (2, 36)), (3, 11), "no wheel for armv7l, there is one for aarch64"),
        ("riscv64", ("glibc", (2, 41)), (3, 13), "no wheel for riscv64, there is one for aarch64"),
        (
            *("aarch64", ("glibc", (2, 36)), (3, 13)),
            "no wheel for Python 3.13, there is one for 3.11",
        ),
        ("aarch64", ("musl", (1, 2)), (3, 11), "needs glibc 2.34, the board has musl 1.2"),
        ("aarch64", ("glibc", (2, 31)), (3, 11), "needs glibc 2.34, the board has glibc 2.31"),
        (
            *("aarch64", ("glibc", (2, 31)), (3, 12)),
            "no wheel for Python 3.12, there is one for 3.11, and needs glibc 2.34, "
            "the board has glibc 2.31",
        ),
    ],
)
def test_the_reason_is_what_would_have_to_be_different(
    index: Index,
    machine: str,
    libc: tuple[str, tuple[int, int]],
    python: tuple[int, int],
    reason: str,
) -> None:
    index.add("engine", "1.0", PI_TAG)
    assert reason_for_none("engine", WheelTarget(machine, libc, python)) == reason


def test_the_glibc_that_is_needed_is_that_of_the_least_demanding_release(index: Index) -> None:
    index.add("engine", "2.0", "cp311-cp311-manylinux_2_38_aarch64")
    index.add("engine", "1.0", PI_TAG)
    reason = reason_for_none("engine", WheelTarget("aarch64", ("glibc", (2, 31)), (3, 11)))
    assert reason == "needs glibc 2.34, the board has glibc 2.31"


def test_every_python_that_would_do_is_listed(index: Index) -> None:
    for python in ("311", "312", "314"):
        index.add("engine", "1.0", f"cp{python}-cp{python}-manylinux_2_17_aarch64")
    reason = reason_for_none("engine", WheelTarget("aarch64", ("glibc", (2, 36)), (3, 13)))
    assert reason == "no wheel for Python 3.13, there is one for 3.11, 3.12 and 3.14"


def test_an_index_without_the_package_says_so(index: Index) -> None:
    index.add("engine", "0.1")
    assert reason_for_none("engine>=1", PI) == "the package index has no wheel of engine>=1"


def test_an_index_for_a_machine_may_serve_what_was_built_on_it(index: Index) -> None:
    index.add("numpy", "2.4.6", "cp311-cp311-linux_armv7l")
    (wheel,) = resolve(["numpy"], WheelTarget("armv7l", ("glibc", (2, 36)), (3, 11)))
    assert wheel.file.endswith("linux_armv7l.whl")
