"""What a board says of itself has to agree with the core that QEMU emulates."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edgecnn.devices.emulated.board_files import board_files, write_files
from edgecnn.devices.emulated.qemu import Qemu, guest_command
from edgecnn.devices.find import emulatable
from edgecnn.devices.profile import Profile
from edgecnn_runtime.host.facts import read_host

# Bits of AT_HWCAP (arch/arm64/include/uapi/asm/hwcap.h). Of evtstrm no engine knows, and QEMU
# does not tell it.
HWCAP = {
    **{"fp": 0, "asimd": 1, "aes": 3, "pmull": 4, "sha1": 5, "sha2": 6, "crc32": 7, "atomics": 8},
    **{"fphp": 9, "asimdhp": 10, "cpuid": 11, "asimdrdm": 12, "jscvt": 13, "fcma": 14},
    **{"lrcpc": 15, "dcpop": 16, "sha3": 17, "sm3": 18, "sm4": 19, "asimddp": 20, "sha512": 21},
    **{"sve": 22, "asimdfhm": 23, "dit": 24, "uscat": 25, "ilrcpc": 26, "flagm": 27, "ssbs": 28},
}
# A Raspberry Pi 4's core has no cryptography, QEMU's of the same name has; no network needs it.
CRYPTOGRAPHY = {"aes", "pmull", "sha1", "sha2"}
PROFILES = sorted(emulatable().values(), key=lambda profile: profile.name)


def by_name(profile: Profile) -> str:
    return profile.name


def written(profile: Profile, folder: Path) -> Path:
    assert profile.emulation is not None
    texts = board_files(profile.emulation.model, profile.clusters[0], profile.emulation)
    write_files(folder, texts)
    return folder


@pytest.mark.parametrize("profile", PROFILES, ids=by_name)
def test_the_runtime_reads_the_board_out_of_them(profile: Profile, tmp_path: Path) -> None:
    host = read_host(written(profile, tmp_path))
    assert profile.emulation is not None
    assert host.model == profile.emulation.model
    assert host.cpu == profile.clusters[0].core
    assert host.cores == profile.clusters[0].count
    assert ("asimddp" in host.features) is profile.clusters[0].simd.dotprod


@pytest.mark.parametrize("profile", PROFILES, ids=by_name)
def test_the_features_are_those_of_qemus_core(
    profile: Profile, qemu: Qemu, arm64_root: Path
) -> None:
    assert profile.emulation is not None
    ran = subprocess.run(
        guest_command(qemu, profile.emulation.qemu_cpu, arm64_root, [arm64_root / "bin/true"]),
        env={"LD_SHOW_AUXV": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # QEMU's own loader prints this machine's first.
    told = re.findall(r"^AT_HWCAP: +([0-9a-f]+)$", ran.stdout, re.M)
    bits = int(told[-1], 16)
    core = {name for name, bit in HWCAP.items() if bits >> bit & 1}
    said = set(profile.emulation.features.split()) & set(HWCAP)
    assert said <= core
    assert core - said <= CRYPTOGRAPHY


def test_caches_are_shared_as_the_profile_says(tmp_path: Path) -> None:
    profile = emulatable()["rpi5"]
    root = written(profile, tmp_path) / "sys/devices/system/cpu"
    second = root / "cpu1/cache"
    shared = {
        (second / index / "level").read_text().strip(): (
            (second / index / "size").read_text().strip(),
            (second / index / "shared_cpu_list").read_text().strip(),
        )
        for index in ("index2", "index3")
    }
    assert shared == {"2": ("512K", "1"), "3": ("2048K", "0-3")}
    assert (root / "online").read_text() == "0-3\n"
