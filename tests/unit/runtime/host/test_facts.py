"""Hardware facts from a folder laid out like /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn_runtime.host.facts import CpuTimes, read_host, read_state

PI4 = {
    "proc/cpuinfo": "\n\n".join(
        f"processor\t: {i}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd08"
        for i in range(4)
    ),
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/meminfo": "MemTotal:        3884312 kB\nMemFree: 100 kB\n",
    "proc/loadavg": "0.42 0.30 0.20 1/200 1234\n",
    "proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_min_freq": "600000\n",
    "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "1800000\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "600000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "61342\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
}
PI5 = {
    "proc/cpuinfo": "\n\n".join(
        f"processor\t: {i}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 "
        "crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b"
        for i in range(4)
    ),
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_min_freq": "1500000\n",
    "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "2400000\n",
    "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "80000\n",
}
SERVER = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Xeon Gold 6338\ncpu MHz\t\t: 2000.5\n"
    "flags\t\t: fpu avx avx2 avx512f avx512_vnni\n\n"
    "processor\t: 1\nmodel name\t: Xeon Gold 6338\ncpu MHz\t\t: 3000.5\n"
    "flags\t\t: fpu avx avx2 avx512f\n",
    "proc/stat": "cpu  100 0 50 800 50 0 0 200 0 0\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
    "sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "4\n",
}


def laid_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_raspberry_pi_4_is_recognised(tmp_path: Path) -> None:
    host = read_host(laid_out(tmp_path, PI4))
    assert host.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert host.cpu == "Cortex-A72"
    assert host.features == ("asimd",)
    assert host.memory_bytes == 3884312 * 1024
    assert host.governors == ("ondemand",)
    assert (host.cores, host.min_mhz, host.max_mhz) == (4, 600, 1800)


def test_in_a_container_the_kernel_still_names_a_raspberry_pi(tmp_path: Path) -> None:
    files = {name: text for name, text in PI4.items() if "device-tree" not in name}
    files["proc/cpuinfo"] += "\n\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
    assert read_host(laid_out(tmp_path, files)).model == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_pi_5_has_dot_products_and_half_precision(tmp_path: Path) -> None:
    host = read_host(laid_out(tmp_path, PI5))
    assert host.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert (host.cores, host.min_mhz, host.max_mhz) == (4, 1500, 2400)
    assert host.cpu == "Cortex-A76"
    assert set(host.features) == {"asimd", "asimddp", "asimdhp", "fphp"}


@pytest.mark.parametrize(("maker", "part"), [("0x41", "0xfff"), ("0x51", "0xd08")])
def test_an_unknown_core_is_given_by_its_numbers(tmp_path: Path, maker: str, part: str) -> None:
    cpuinfo = f"CPU implementer\t: {maker}\nCPU part\t: {part}\n"
    host = read_host(laid_out(tmp_path, {"proc/cpuinfo": cpuinfo}))
    assert host.cpu == f"implementer {maker} part {part}"


def test_cores_of_two_kinds_are_both_named(tmp_path: Path) -> None:
    kinds = ["0xd03", "0xd03", "0xd08"]
    cpuinfo = "\n".join(f"CPU implementer\t: 0x41\nCPU part\t: {part}" for part in kinds)
    assert read_host(laid_out(tmp_path, {"proc/cpuinfo": cpuinfo})).cpu == "Cortex-A53, Cortex-A72"


def test_a_pis_state_says_what_limits_it_now(tmp_path: Path) -> None:
    state = read_state(laid_out(tmp_path, PI4))
    # 0x50005: bits 0 and 2 hold now, 16 and 18 have held since boot.
    assert state.throttled == ("under-voltage", "throttled")
    assert state.was_throttled == ("under-voltage", "throttled")
    assert state.celsius == {"cpu-thermal": 61.342}
    assert state.mhz == 600
    assert state.load == 0.42


def test_what_limited_a_pi_earlier_is_told_from_what_limits_it_now(tmp_path: Path) -> None:
    state = read_state(laid_out(tmp_path, PI5))
    assert (state.throttled, state.was_throttled) == ((), ("soft temperature limit",))


def test_a_servers_features_are_those_of_all_its_cores(tmp_path: Path) -> None:
    root = laid_out(tmp_path, SERVER)
    host, state = read_host(root), read_state(root)
    assert host.cpu == "Xeon Gold 6338"
    assert host.features == ("avx", "avx2", "avx512f")
    assert host.cores == 2
    assert state.mhz == 3000.5, "the fastest: the run is on that one"
    assert state.throttle_count == 7
    assert state.cpu == CpuTimes(busy=1.5, steal=2.0, total=12.0)


def test_what_is_absent_is_none_and_never_a_guess(tmp_path: Path) -> None:
    host, state = read_host(tmp_path), read_state(tmp_path)
    assert (host.model, host.cpu, host.memory_bytes, host.max_mhz) == (None, None, None, None)
    assert (host.features, host.governors) == ((), ())
    assert (state.load, state.mhz, state.cpu, state.throttle_count) == (None, None, None, None)
    assert (state.celsius, state.throttled, state.was_throttled) == ({}, (), ())


@pytest.mark.parametrize("text", ["", "\x01 garbage ÿ", "cpu a b c d e f g h i", "..."])
def test_garbage_is_read_as_absent(tmp_path: Path, text: str) -> None:
    root = laid_out(tmp_path, dict.fromkeys(PI4, text))
    host, state = read_host(root), read_state(root)
    assert (host.cpu, host.memory_bytes, host.max_mhz) == (None, None, None)
    assert (state.load, state.mhz, state.cpu) == (None, None, None)
    assert (state.throttled, state.was_throttled, state.celsius) == ((), (), {})


def test_this_machine_can_be_read() -> None:
    assert read_host().cores >= 1
    assert read_state().own_seconds > 0
