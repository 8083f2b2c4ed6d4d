"""`make demo` from nothing: a clone of the last commit, no .venv, no cache of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.interleave import keep

ROOT = Path(__file__).parents[2]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "edgecnn"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = os.environ | {"EDGECNN_CACHE": f"{folder}/cache"}
        seconds = {}
        for what in ("from nothing", "again"):
            began = time.perf_counter()
            subprocess.run(
                ["make", "demo"], cwd=clone, env=environment, check=True, stdout=sys.stderr
            )
            seconds[what] = round(time.perf_counter() - began, 1)
    for what, taken in seconds.items():
        print(f"make demo, {what:<14}{taken:8.1f} s (n = 1)")
    keep("export/demo", {"what": "make demo", "unit": "s", **seconds})


if __name__ == "__main__":
    main()
