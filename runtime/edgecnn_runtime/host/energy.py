"""Energy meter: joules from the machine's own counters (RAPL, hwmon)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


class EnergyMeter:
    """Energy in joules since construction, summed over all counters of the machine.

    Counters are Intel's and AMD's RAPL packages (kernel, Documentation/power/powercap) and sensors
    whose driver adds up energy (hwmon's ``energy*_input``, in microjoules). Most boards have none.
    """

    def __init__(self, root: Path = ROOT) -> None:
        packages = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]"))
        files = [package / "energy_uj" for package in packages]
        files += sorted((root / "sys/class/hwmon").glob("hwmon*/energy*_input"))
        # RAPL's are readable only by root since CVE-2020-8694.
        self._counters = [file for file in files if _read(file) is not None]
        self._last = [_read(file) or 0 for file in self._counters]
        self._joules = 0.0

    def read(self) -> float | None:
        """Joules so far; None on a machine without counters."""
        if not self._counters:
            return None
        for index, file in enumerate(self._counters):
            now = _read(file)
            if now is None:
                continue
            spent = now - self._last[index]
            if spent < 0:  # the counter wrapped around
                spent += _read(file.with_name("max_energy_range_uj")) or -spent
            self._joules += spent / 1e6
            self._last[index] = now
        return self._joules


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
