"""Size of an installation: wheels, the agent for a board, the thin install beside its engine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.interleave import keep
from edgecnn.devices.agent_zipapp import write_agent

ROOT = Path(__file__).parents[2]
PROJECTS = (".", "runtime")
THIN = "edgecnn-runtime[onnxruntime]"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        for project in PROJECTS:
            _build(ROOT / project, target)
        sizes = {
            wheel.name.partition("-")[0]: wheel.stat().st_size for wheel in target.glob("*.whl")
        }
        sizes["agent"] = write_agent(target / "agent.pyz")
        sizes["engine alone"] = _installed(target / "engine", target, "numpy", "onnxruntime")
        sizes["thin install"] = _installed(target / "thin", target, THIN)
    for name in ("edgecnn", "edgecnn_runtime"):
        print(f"wheel {name:23} {sizes[name] / 1e3:9.1f} kB")
    print(f"agent, a zipapp for a board   {sizes['agent'] / 1e3:9.1f} kB")
    print(f"numpy and onnxruntime alone   {sizes['engine alone'] / 1e6:9.1f} MB installed")
    ratio = sizes["thin install"] / sizes["engine alone"]
    print(f"{THIN:29} {sizes['thin install'] / 1e6:9.1f} MB installed, {ratio:.3f} ×")
    keep("runtime/size", {"what": "bytes", **sizes})


def _build(project: Path, folder: Path) -> None:
    """Build the wheel of a release."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    variables = os.environ | {"EDGECNN_RELEASE": "1"}
    subprocess.run([*build, str(project)], check=True, capture_output=True, env=variables)


def _installed(folder: Path, wheels: Path, *requirements: str) -> int:
    """Bytes of the files that pip installs for requirements, compiled ``.pyc`` files included."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--find-links", str(wheels)]
    constraints = ["--constraint", str(ROOT / "constraints.txt"), "--target", str(folder)]
    subprocess.run([*install, *constraints, *requirements], check=True)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
