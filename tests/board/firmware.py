"""Files of a board's /proc and /sys for an emulated board."""

from __future__ import annotations

from pathlib import Path

from edgecnn.devices.emulated.board_files import board_files, write_files
from edgecnn.devices.profile import Profile

# A board of 4 GB that does nothing else, whatever else this machine does.
MEMORY = """\
MemTotal:        3884000 kB
MemFree:         2884000 kB
MemAvailable:    3084000 kB
SwapTotal:             0 kB
SwapFree:              0 kB
"""
IDLE = "0 0 0 1000000 0 0 0 0 0 0"
POLICY = "sys/devices/system/cpu/cpufreq/policy0"
ZONE = "sys/class/thermal/thermal_zone0"


def write_firmware(profile: Profile, folder: Path) -> None:
    """`folder` has the files below proc and sys that tell this kind of board from others.

    One of them cannot stand where it should: a kernel of x86 has no /proc/device-tree, and none can
    be made there. As in a container, the last line of /proc/cpuinfo names the board.
    """
    emulation, cluster = profile.emulation, profile.clusters[0]
    assert emulation is not None
    cores = range(cluster.count)
    write_files(folder, board_files(emulation.model, cluster, emulation))
    times = [f"cpu  {IDLE}", *(f"cpu{core} {IDLE}" for core in cores), "btime 1700000000"]
    write_files(
        folder,
        {
            "proc/meminfo": MEMORY,
            "proc/stat": "".join(f"{line}\n" for line in times),
            "proc/loadavg": "0.00 0.00 0.00 1/100 100\n",
            f"{POLICY}/cpuinfo_min_freq": "600000\n",
            f"{POLICY}/cpuinfo_max_freq": f"{cluster.max_mhz * 1000}\n",
            f"{POLICY}/scaling_cur_freq": f"{cluster.max_mhz * 1000}\n",
            f"{POLICY}/scaling_governor": "performance\n",
            f"{ZONE}/type": "cpu-thermal\n",
            f"{ZONE}/temp": "50123\n",
        },
    )
