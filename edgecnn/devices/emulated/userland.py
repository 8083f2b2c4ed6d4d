"""Userland of an arm64 board: Debian packages unpacked into a folder, not installed here."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from edgecnn.devices.build_once import build_once
from edgecnn.errors import EmulationUnavailable

SUITE = "bookworm"
PYTHON = (3, 11, 2)
GLIBC = (2, 36)
INSTALL = "apt-get install --no-install-recommends mmdebstrap"

# What a shell, an engine and Python need. Unpacked only, with what they depend on: their
# installation scripts would have to run, and need root.
PACKAGES = (
    *("bash", "coreutils", "dash", "grep", "gzip", "libc-bin", "sed", "tar"),
    *("python3-minimal", "libpython3-stdlib", "libstdc++6"),
)
# Of no use to a program.
LEFT_OUT = (
    *("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info"),
    *("var/lib/apt", "var/cache", "var/log"),
)
# What the scripts would have written, as far as a session needs it. The linker would read this
# machine's own cache, where there is none.
WRITTEN = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:pi:/home/pi:/bin/bash\n",
    "etc/group": "root:x:0:\npi:x:1000:\n",
    "etc/ld.so.cache": "",
}


def userland() -> Path:
    """The root folder of an arm64 Debian with a shell, tar and Python; built on the first call.

    Takes about ten seconds, 45 MB of downloads and no root. The folder is shared by all who call:
    mount or link it, and write nothing into it.

    Raises:
        EmulationUnavailable: it cannot be built here; says why, and what to install.
    """
    recipe = json.dumps([SUITE, PACKAGES, LEFT_OUT, WRITTEN])
    return build_once("userland", recipe, _build)


def _build(folder: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise EmulationUnavailable(
            "the programs of an emulated board are unpacked by mmdebstrap, which is not installed "
            f"here; {INSTALL} (on Debian or Ubuntu; there is no other way to build them)"
        )
    command = unpack_command(folder)
    ran = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if ran.returncode:
        raise EmulationUnavailable(
            f"mmdebstrap could not unpack Debian {SUITE} for arm64: {_first_error(ran.stderr)}; "
            "apt-get update, and try again"
        )
    for name in LEFT_OUT:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name, text in WRITTEN.items():
        (folder / name).write_text(text, encoding="utf-8")


def unpack_command(folder: Path) -> list[str]:
    """Command that unpacks the packages into an empty folder, without root."""
    return [
        *("mmdebstrap", "--quiet", "--architectures=arm64"),
        # Unpack and run nothing: without root, without emulation.
        *("--mode=chrootless", "--variant=extract", "--skip=check/qemu"),
        f"--include={','.join(PACKAGES)}",
        *('--aptopt=Acquire::Languages "none"', "--aptopt=APT::Sandbox::User root"),
        *(SUITE, str(folder), *_mirror()),
    ]


def _mirror() -> list[str]:
    """Debian mirror that this machine's apt uses; empty for mmdebstrap's default."""
    wanted = ("Created-By: Packages", f"Codename: {SUITE}", "Origin: Debian", "Component: main")
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted]
    try:
        ran = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except FileNotFoundError:
        return []
    return ran.stdout.split()[:1]


def _first_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E:")]
    return (errors or lines or ["it printed nothing"])[0].removeprefix("E:").strip()
