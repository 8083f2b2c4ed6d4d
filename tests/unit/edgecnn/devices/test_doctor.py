"""What doctor makes of boards that are not as they should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgecnn.devices.board import Facts, Interpreter, Offer
from edgecnn.devices.checks import Check, measuring
from edgecnn.devices.listing import summary
from edgecnn.results.doctor.board import engine_checks, system_checks

PI4 = Facts(
    model="Raspberry Pi 4 Model B Rev 1.4",
    cpu="Cortex-A72",
    kernel="aarch64",
    machine="aarch64",
    libc=("glibc", (2, 36)),
    pythons=(Interpreter("/usr/bin/python3.11", (3, 11, 2)),),
    cores=4,
    features=("asimd", "crc32", "fp"),
    memory_bytes=4_000_000_000,
    available_bytes=3_500_000_000,
    disk_bytes=20_000_000_000,
)
OLD = Interpreter("/usr/bin/python3.9", (3, 9, 2))


def system(**changes: Any) -> dict[str, Check]:
    return {check.what: check for check in system_checks(replace(PI4, **changes))}


def test_a_board_as_it_should_be_has_nothing_to_mend() -> None:
    checks = system()
    assert set(checks) == {"userland", "libc", "Python", "memory", "disk", "processor"}
    assert all(check.ok and not check.mend for check in checks.values())
    assert checks["memory"].found == "3.50 GB free of 4.0 GB"
    assert checks["processor"].found == "no dotprod, no i8mm, no fp16"


def test_a_line_tells_what_a_board_is() -> None:
    assert summary(PI4) == (
        "Raspberry Pi 4 Model B Rev 1.4, 4 × Cortex-A72, aarch64, 4.0 GB, Python 3.11.2"
    )
    bare = replace(PI4, model=None, cpu=None, machine="armv7l", memory_bytes=None, pythons=(OLD,))
    assert summary(bare) == "4 cores, armv7l on a kernel for aarch64, Python 3.9.2, too old"
    assert summary(replace(bare, pythons=())).endswith("no Python")


def test_a_32_bit_userland_is_told_apart_from_its_kernel() -> None:
    check = system(machine="armv7l")["userland"]
    assert not check.ok
    assert check.found == "armv7l on a kernel for aarch64, 32-bit"
    assert "64-bit system" in check.mend


@pytest.mark.parametrize(
    ("changes", "what", "found", "mend"),
    [
        ({"libc": ("musl", (1, 2))}, "libc", "musl 1.2", "a system with glibc"),
        ({"libc": None}, "libc", "unknown", "a system with glibc"),
        ({"pythons": ()}, "Python", "none", "sudo apt install python3"),
        ({"pythons": (OLD,)}, "Python", "3.9.2 (/usr/bin/python3.9)", "sudo apt install python3"),
        ({"available_bytes": 90_000_000}, "memory", "0.09 GB free of 4.0 GB", "end other programs"),
        ({"disk_bytes": 100_000_000}, "disk", "0.1 GB free", "0.5 GB"),
    ],
)
def test_what_lacks_is_told_with_what_mends_it(
    changes: dict[str, Any], what: str, found: str, mend: str
) -> None:
    check = system(**changes)[what]
    assert not check.ok
    assert check.found == found
    assert mend in check.mend


def test_what_a_board_does_not_say_is_not_guessed() -> None:
    assert {"memory", "disk"}.isdisjoint(system(available_bytes=None, disk_bytes=None))


def test_the_processor_is_told_by_what_kernels_are_chosen_by() -> None:
    features = ("asimddp", "asimdhp", "fphp")
    assert system(features=features)["processor"].found == "dotprod, no i8mm, fp16"
    checks = system(machine="x86_64", kernel="x86_64", features=("avx2",))
    assert checks["processor"].found == "AVX2, no AVX-512, no VNNI, no AVX-VNNI"


def engines(
    offer: Offer, hosts: dict[str, Any] | None = None, failures: dict[str, str] | None = None
) -> list[tuple[str, bool, str]]:
    found = engine_checks(offer, hosts or {}, failures or {})
    return [(check.what, check.ok, check.found) for check in found]


BOTH = Offer(
    {
        "main": {"onnxruntime": "1.32.0", "numpy": "2.4.6"},
        "tflite-runtime": {"tflite-runtime": "2.14.0"},
    },
    {"openvino": "needs glibc 2.35"},
)


def test_engines_are_told_with_version_environment_and_reason() -> None:
    assert engines(BOTH) == [
        ("engine onnxruntime", True, "1.32.0, environment main"),
        ("engine tflite-runtime", True, "2.14.0, environment tflite-runtime"),
        ("engine openvino", False, "needs glibc 2.35"),
    ]


def test_an_engine_that_is_there_and_does_not_work_is_told_as_such() -> None:
    missing = {"tflite": {"reason": "does not load", "mend": "pip install it"}}
    told = {"missing": missing}
    assert engines(BOTH, {"tflite-runtime": told})[1] == (
        "engine tflite-runtime",
        False,
        "2.14.0, environment tflite-runtime: does not load",
    )


def test_an_environment_in_which_the_agent_fails_has_no_engine() -> None:
    assert engines(BOTH, {}, {"main": "died of SIGILL"})[0] == (
        "engine onnxruntime",
        False,
        "1.32.0, environment main: died of SIGILL",
    )


def test_what_would_taint_a_bench_is_told() -> None:
    host = {"governors": ["ondemand"], "cores": 4}
    state = {"load": 3.0, "throttled": ["under-voltage"]}
    checks = {check.what: check for check in measuring(host, state)}
    assert [check.ok for check in checks.values()] == [False] * 3
    assert checks["throttling"].mend == "a better power supply, or cooling"
    calm = measuring({"governors": ["performance"], "cores": 4}, {"load": 0.1, "throttled": []})
    assert all(check.ok for check in calm)
