"""The script that asks a board what it is, run by this machine's shells, and what is read of it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.devices.probe import BEGIN, END, PROBE_SCRIPT, read_facts, read_probe
from edgecnn.errors import DeviceFailed

SHELLS = [shell for shell in ("/bin/sh", "/bin/dash", "/bin/bash") if Path(shell).exists()]
BUSYBOX = shutil.which("busybox")

PI_4 = """
model=Raspberry Pi 4 Model B Rev 1.4
system=Linux
kernel=aarch64
bits=64
libc=glibc 2.36
home=/home/pi
cores=4
core= 0x41 0xd08
features= fp asimd evtstrm crc32 cpuid
MemTotal=        3884324 kB
MemAvailable=    3417996 kB
cache=/home/pi/.cache/edgecnn
df=/dev/mmcblk0p2      30358784 5242880  23852160      19% /
python=3.11.2 /usr/bin/python3.11
"""


def probed(lines: str) -> str:
    return f"{BEGIN}\n{lines}{END}\n"


def run(shell: str, environment: dict[str, str] | None = None) -> str:
    ran = subprocess.run(
        [*shell.split(), "-c", PROBE_SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_it_tells_what_this_machine_is(shell: str) -> None:
    probe = read_probe(run(shell))
    assert probe.facts.kernel == platform.machine()
    assert probe.facts.libc is not None
    assert probe.facts.libc[0] == "glibc"
    assert probe.facts.cores == os.cpu_count()
    assert probe.facts.memory_bytes
    assert probe.facts.available_bytes
    assert probe.facts.disk_bytes
    assert probe.home == os.environ["HOME"]
    real = str(Path(sys.executable).resolve())
    assert real in [one.path for one in probe.facts.pythons]


@pytest.mark.skipif(BUSYBOX is None, reason="no busybox here; apt install busybox")
def test_busybox_runs_it_alone(tmp_path: Path) -> None:
    assert BUSYBOX is not None
    subprocess.run([BUSYBOX, "--install", "-s", str(tmp_path)], check=True)
    probe = read_probe(run(f"{BUSYBOX} sh", {"PATH": str(tmp_path), "HOME": "/root"}))
    assert probe.facts.kernel == platform.machine()
    assert probe.facts.machine == platform.machine()
    assert probe.facts.disk_bytes


@pytest.mark.parametrize("shell", SHELLS)
def test_a_board_without_any_command_still_answers(shell: str) -> None:
    facts = read_facts(run(shell, {"PATH": ""}))
    assert facts.memory_bytes
    assert facts.libc is None
    assert facts.disk_bytes is None


def test_the_cache_is_where_the_user_has_it_and_its_disk_that_of_the_nearest_folder(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "not" / "yet $(there)"
    environment = {"PATH": os.environ["PATH"], "HOME": "/", "XDG_CACHE_HOME": str(cache)}
    probe = read_probe(run("/bin/sh", environment))
    assert probe.cache == f"{cache}/edgecnn"
    assert probe.facts.disk_bytes is not None
    free = shutil.disk_usage(tmp_path).free
    assert abs(probe.facts.disk_bytes - free) < 1 << 30


def test_a_relative_cache_is_none_as_the_specification_has_it() -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/h", "XDG_CACHE_HOME": "here"}
    assert read_probe(run("/bin/sh", environment)).cache == "/h/.cache/edgecnn"


def test_each_interpreter_counts_once_under_its_own_path(tmp_path: Path) -> None:
    for name in ("python3", "python3.11"):
        (tmp_path / name).symlink_to(Path(sys.executable).resolve())
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    paths = [one.path for one in read_facts(run("/bin/sh", environment)).pythons]
    assert len(paths) == len(set(paths))
    assert str(Path(sys.executable).resolve()) in paths


def test_a_raspberry_pi_is_read() -> None:
    facts = read_facts(probed(PI_4))
    assert facts.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts.cpu == "Cortex-A72"
    assert facts.machine == "aarch64"
    assert facts.libc == ("glibc", (2, 36))
    assert facts.pythons[0].path == "/usr/bin/python3.11"
    assert facts.pythons[0].version == (3, 11, 2)
    assert facts.cores == 4
    assert "asimd" in facts.features
    assert facts.memory_bytes == 3884324 * 1024
    assert facts.available_bytes == 3417996 * 1024
    assert facts.disk_bytes == 23852160 * 1024


def test_what_a_login_script_prints_before_is_skipped() -> None:
    assert read_facts("Welcome!\nmodel=fake\n" + probed(PI_4)) == read_facts(probed(PI_4))


def test_what_never_ended_is_refused_with_what_was_said() -> None:
    with pytest.raises(DeviceFailed, match="This account is not available"):
        read_facts("This account is not available.\n")
    with pytest.raises(DeviceFailed, match="shell"):
        read_facts(f"{BEGIN}\nkernel=aarch64\n")


@pytest.mark.parametrize(
    ("kernel", "lines", "machine"),
    [
        ("aarch64", "bits=64\nelf=1", "aarch64"),
        ("aarch64", "bits=32", "armv7l"),
        ("aarch64", "bits=\nelf=1", "armv7l"),
        ("armv8l", "bits=32", "armv7l"),
        ("armv7l", "bits=32", "armv7l"),
        ("armv6l", "bits=32", "armv6l"),
        ("x86_64", "bits=32", "i686"),
        ("x86_64", "", "x86_64"),
        ("riscv64", "bits=64", "riscv64"),
    ],
)
def test_the_machine_is_the_userlands(kernel: str, lines: str, machine: str) -> None:
    assert read_facts(probed(f"kernel={kernel}\n{lines}\n")).machine == machine


@pytest.mark.parametrize(
    ("lines", "libc"),
    [
        ("libc=glibc 2.31", ("glibc", (2, 31))),
        ("libc=\nldd=ldd (Debian GLIBC 2.36-9) 2.36 Copyright", ("glibc", (2, 36))),
        ("libc=\nldd=ldd (Ubuntu GLIBC 2.35-0ubuntu3.8) 2.35", ("glibc", (2, 35))),
        ("libc=\nldd=ldd (GNU libc) 2.28 Copyright", ("glibc", (2, 28))),
        ("libc=\nldd=musl libc (aarch64) Version 1.2.4 Dynamic", ("musl", (1, 2))),
        ("libc=\nldd=sh: ldd: not found", None),
    ],
)
def test_the_c_library_is_read(lines: str, libc: tuple[str, tuple[int, int]] | None) -> None:
    assert read_facts(probed(f"{lines}\n")).libc == libc


def test_the_oldest_python_that_edgecnn_runs_on_comes_first_and_the_newest_of_the_older_next() -> (
    None
):
    lines = [
        "python=3.7.3 /usr/bin/python3.7",
        "python=3.13.1 /opt/python3.13",
        "python=3.9.2 /usr/bin/python3.9",
        "python=3.11.2 /usr/bin/python 3.11",
    ]
    facts = read_facts(probed("\n".join(lines) + "\n"))
    assert [one.version[1] for one in facts.pythons] == [11, 13, 9, 7]
    assert facts.pythons[0].path == "/usr/bin/python 3.11"


def test_cores_of_two_kinds_are_both_named_and_have_what_both_have() -> None:
    lines = "core= 0x41 0xd05\ncore= 0x41 0xd0b\nfeatures= fp asimd\nfeatures= fp asimd asimddp\n"
    facts = read_facts(probed(lines))
    assert facts.cpu == "Cortex-A55, Cortex-A76"
    assert facts.features == ("asimd", "fp")


def test_a_core_that_is_not_known_keeps_its_numbers() -> None:
    assert read_facts(probed("core= 0x51 0x001\n")).cpu == "implementer 0x51 part 0x001"
