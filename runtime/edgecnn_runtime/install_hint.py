"""Command that installs an extra of edgecnn, or a package, in the environment that runs this.

The environment decides the program: pip, pip of this interpreter, uv, ``uv tool`` or pipx. What is
installed decides the requirement. pip and uv take the version that is there for ``edgecnn[plot]``,
so the command needs no index that lists edgecnn: it works after an installation from a clone, from
wheels and from an index alike.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

# The extras of edgecnn-runtime, and what pip calls their packages. A board has no distribution.
PACKAGES = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "litert": ("ai-edge-litert",),
    "tflite": ("tflite-runtime", "numpy<2"),
    "native": ("edgecnn-native",),
    "image": ("pillow",),
}
UV_RECEIPT = "uv-receipt.toml"
PIPX_METADATA = "pipx_metadata.json"


def install_hint(extra: str) -> str:
    """Command that installs an extra of edgecnn, such as ``pip install 'edgecnn[plot]'``."""
    if _is_installed("edgecnn"):
        if (receipt := Path(sys.prefix, UV_RECEIPT)).is_file():
            return _uv_tool(receipt, extra=extra)
        return _install(f"edgecnn[{extra}]")
    if _is_installed("edgecnn-runtime") and extra in PACKAGES:
        return _install(f"edgecnn-runtime[{extra}]")
    clone = Path(__file__).parents[2]
    if (clone / "edgecnn" / "cli.py").is_file():
        return _install("--editable", f"{_short(clone)}[{extra}]")
    return _install(*PACKAGES.get(extra, (f"edgecnn[{extra}]",)))


def install_command(package: str) -> str:
    """Command that installs a package beside edgecnn, such as ``pip install pandas``."""
    if (receipt := Path(sys.prefix, UV_RECEIPT)).is_file():
        return _uv_tool(receipt, package=package)
    return _install(package)


def _is_installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _install(*words: str) -> str:
    return f"{_program()} {shlex.join(words)}"


def _program() -> str:
    """The installer of this environment, up to and including ``install``."""
    from importlib.util import find_spec
    from shutil import which

    prefix, python = Path(sys.prefix), sys.executable or "python3"
    if (prefix / PIPX_METADATA).is_file():
        return f"pipx runpip {shlex.quote(prefix.name)} install"
    if find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(_short(Path(python)))}"
    pip = which("pip")
    if pip is not None and Path(pip).parent == Path(python).parent:
        return "pip install"
    return f"{shlex.quote(_short(Path(python)))} -m pip install"


def _uv_tool(receipt: Path, *, extra: str = "", package: str = "") -> str:
    """``uv tool install`` of all that its receipt lists, and of what is added.

    uv replaces a tool by what the command names: extras that were there before are named again.
    """
    import tomllib

    words = ["uv", "tool", "install"]
    options: dict[str, Any] = {}
    requirements: list[dict[str, Any]] = [{"name": "edgecnn"}]
    try:
        tool = tomllib.loads(receipt.read_text(encoding="utf-8"))["tool"]
        requirements, options = tool["requirements"], tool.get("options", {})
    except (OSError, ValueError, KeyError):
        pass  # the receipt is uv's own and has no promised form
    for link in options.get("find-links", []):
        words += ["--find-links", str(link).removeprefix("file://")]
    for each in requirements:
        source = each.get("editable") or each.get("directory") or each.get("path") or each["name"]
        extras = {
            *each.get("extras", ()),
            *([extra] if extra and each["name"] == "edgecnn" else ()),
        }
        named = f"{source}[{','.join(sorted(extras))}]" if extras else source
        named += each.get("specifier", "")
        words += ["--editable"] if "editable" in each else []
        words += [named] if each["name"] == "edgecnn" else ["--with", named]
    words += ["--with", package] if package else []
    return shlex.join(words)


def _short(path: Path) -> str:
    """The path from the current folder where it lies below that, else as it is."""
    try:
        short = path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return os.fspath(path)
    # A shell looks a single name up on the PATH; below the root nothing becomes shorter.
    is_short = len(short.parts) != 1 and len(short.parts) < len(path.parts) - 1
    return os.fspath(short if is_short else path)
