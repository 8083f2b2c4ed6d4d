"""The wheel of edgecnn-native for a board from a clone: built by zig, or found in its dist/."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from edgecnn.devices.native_sources import build_native, native_sources, zig_version
from edgecnn.devices.wheels.index import Wheel
from edgecnn.devices.wheels.target import WheelTarget, platforms
from edgecnn.fetch import cache_folder

PACKAGE = "edgecnn-native"
# Machines of native/platforms.py, by C library; others have no wheel.
MACHINES = {"glibc": ("x86_64", "aarch64", "armv7l"), "musl": ("x86_64", "aarch64")}
SYSTEMS = {"glibc": "linux", "musl": "musl"}


def wheel_of_clone(target: WheelTarget) -> Wheel | None:
    """The wheel of edgecnn-native for a board, from this clone, kept where `fetch_wheels` looks.

    None where edgecnn runs from no clone, the clone has neither zig nor a wheel in ``dist/``, or
    no wheel of it fits the board: then the index is asked, as for any other engine.

    Raises:
        NativeBuildFailed: the compiler refuses the sources.
    """
    if native_sources() is None:
        return None
    file = _built(target) if zig_version() is not None else _of_dist(target)
    return None if file is None or not _fits(file, target) else _kept(file)


def _built(target: WheelTarget) -> Path | None:
    libc = target.libc[0]
    if target.machine not in MACHINES.get(libc, ()):
        return None
    return build_native("wheels.py", f"{SYSTEMS[libc]}-{target.machine}")


def _of_dist(target: WheelTarget) -> Path | None:
    sources = native_sources()
    wheels = (sources.parent / "dist").glob("edgecnn_native-*.whl") if sources else ()
    fitting = [wheel for wheel in wheels if _fits(wheel, target)]
    return max(fitting, key=lambda wheel: wheel.stat().st_mtime, default=None)


def _fits(wheel: Path, target: WheelTarget) -> bool:
    """Whether one of the wheel's platform tags is one of the board's."""
    return bool(set(wheel.stem.split("-")[-1].split(".")) & set(platforms(target)))


def _kept(file: Path) -> Wheel:
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    place = cache_folder() / "wheels" / f"{sha256}.whl"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(".part")
        shutil.copyfile(file, part)
        part.replace(place)
    with zipfile.ZipFile(file) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    requires = tuple(headers.get_all("Requires-Dist") or ())
    return Wheel(PACKAGE, str(headers["Version"]), file.name, sha256, requires)
