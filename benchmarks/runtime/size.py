"""Size of an installation: the wheel, and the runtime as a zipapp for a board."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.interleave import keep
from edgecnn.devices.agent_zipapp import write_agent

ROOT = Path(__file__).parents[2]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
        subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
        wheel = next(target.glob("*.whl"))
        sizes = {"wheel": wheel.stat().st_size, "agent": write_agent(target / "agent.pyz")}
        members = len(zipfile.ZipFile(wheel).namelist())
    print(f"wheel         {sizes['wheel'] / 1e3:8.1f} kB in {members} files")
    print(f"runtime agent {sizes['agent'] / 1e3:8.1f} kB as a zipapp")
    keep("runtime/size", {"what": "bytes", **sizes})


if __name__ == "__main__":
    main()
