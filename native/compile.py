"""Compiler of edgecnn-native: a shared library per platform, the same bytes from the same sources.

    python native/compile.py                    for this machine and browsers, beside the package
    python native/compile.py linux-aarch64 …    for others, into build/native/PLATFORM

The compiler is zig's clang (the wheel ``ziglang``), which has the headers and libraries of every
platform. For this machine a system's clang does as well. gcc does too, but keeps fewer of the
kernels' accumulators in registers: about half as fast, and said so.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from platforms import FAMILIES, PLATFORMS, Platform, this_platform

ROOT = Path(__file__).parent
PACKAGE = ROOT / "edgecnn_native"
LIBRARIES = ROOT.parent / "build/native"
COMMON = ("-std=gnu11", "-O3", "-g0", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall")
# Files, by their names, that a module for pages leaves out.
NEEDS_SYSTEM = {"file", "profile"}
# An error of arithmetic is no reason to end the program that loads the library.
ZIG = ("-fno-sanitize=all",)
# zig's own words for the flags of a family.
ZIG_FLAGS = {
    "-march=armv8.2-a+dotprod": "-mcpu=generic+v8_2a+dotprod",
    "-march=armv8.2-a+dotprod+i8mm": "-mcpu=generic+v8_2a+dotprod+i8mm",
}


class CompilerFailed(Exception):
    """No compiler, or one that refuses the sources; the message is its own."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler for one platform.

    Attributes:
        command: its program, with the flags that choose the platform.
        note: what a user should know of it; empty for the one that the wheels are made by.
        renamed: flags of families that it has another word for.
    """

    command: tuple[str, ...]
    note: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)


def find_compiler(wanted: Platform | None) -> Compiler:
    """zig where it is installed, else what compiles for this machine.

    Args:
        wanted: None: this machine, which the table of platforms has not.

    Raises:
        CompilerFailed: there is none.
    """
    if wanted is not None and find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang", "cc", "-target", wanted.target, *ZIG)
        return Compiler((*zig, *wanted.flags), renamed=ZIG_FLAGS)
    if wanted is not None and wanted != this_platform():
        raise CompilerFailed(f"{wanted.name} is compiled by zig alone: pip install ziglang")
    if (clang := shutil.which("clang")) is not None:
        return Compiler((clang,), f"compiled by {clang}; the wheels are by zig")
    for name in ("gcc", "cc"):
        if (path := shutil.which(name)) is not None:
            return Compiler((path,), f"compiled by {path}: its kernels are slower than clang's")
    raise CompilerFailed("no C compiler: pip install ziglang, or install clang")


def compile_library(wanted: Platform | None, folder: Path, version: str) -> tuple[Path, str]:
    """Compile and link into a folder; the library's path, and a note about its compiler.

    Raises:
        CompilerFailed: no compiler, or it refuses the sources.
    """
    compiler = find_compiler(wanted)
    library = folder / (PLATFORMS["linux-x86_64"] if wanted is None else wanted).library
    architecture = platform.machine() if wanted is None else wanted.architecture
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the library, so that it appears by a rename.
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        objects = _compile(compiler, sources(architecture), architecture, version, Path(scratch))
        linked = Path(scratch, library.name)
        _run([*compiler.command, *_link_flags(library.name), *objects, "-o", str(linked)])
        linked.replace(library)
    return library, compiler.note


def compile_program(
    wanted: Platform | None, files: Sequence[Path], program: Path, includes: Sequence[Path] = ()
) -> None:
    """Compile a C program with the library in it, static where the platform's C library allows it.

    Args:
        files: its own sources.
        includes: folders of headers, beside the library's own.

    Raises:
        CompilerFailed: no compiler, or it refuses the sources.
    """
    compiler = find_compiler(wanted)
    architecture = platform.machine() if wanted is None else wanted.architecture
    folders = [word for folder in includes for word in ("-I", str(folder))]
    own = replace(compiler, command=(*compiler.command, *folders))
    static = ("-static",) if wanted is not None and "musl" in wanted.target else ()
    with tempfile.TemporaryDirectory() as scratch:
        parts = [Path(scratch, name) for name in ("library", "program")]
        for part in parts:
            part.mkdir()
        version = project_version()
        # The folders are the program's alone: zig keeps the library's objects for the next one.
        objects = _compile(compiler, sources(architecture), architecture, version, parts[0])
        objects += _compile(own, files, architecture, version, parts[1])
        linking = ("-O3", "-s", *static, *objects, "-lm", "-lpthread", "-o", str(program))
        _run([*compiler.command, *linking])


def _compile(
    compiler: Compiler, files: Sequence[Path], architecture: str, version: str, scratch: Path
) -> list[str]:
    """Object files, in the order of the sources."""
    jobs = [[*compiler.command, *_flags(compiler, file, architecture, version)] for file in files]
    objects = [str(scratch / f"{number}.o") for number in range(len(jobs))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        compiling = [
            pool.submit(_run, [*job, "-o", object])
            for job, object in zip(jobs, objects, strict=True)
        ]
    for job in compiling:
        job.result()
    return objects


def sources(architecture: str) -> list[Path]:
    """The C files of an architecture, in a fixed order."""
    own = set(FAMILIES.get(architecture, {}))
    others = {word for families in FAMILIES.values() for word in families} - own
    if architecture == "wasm32":
        others |= NEEDS_SYSTEM
    return [path for path in sorted((ROOT / "src").rglob("*.c")) if not _words(path) & others]


def _words(source: Path) -> set[str]:
    return {source.parent.name, *source.stem.split("_")}


def _flags(compiler: Compiler, source: Path, architecture: str, version: str) -> list[str]:
    families = FAMILIES.get(architecture, {})
    family = [flag for word in sorted(_words(source)) for flag in families.get(word, ())]
    own = [compiler.renamed.get(flag, flag) for flag in family]
    folders = ("-I", str(ROOT / "include"), "-I", str(ROOT / "src"))
    # Else the folder of the clone would be in the file, and other bytes for each clone.
    mapped = f"-ffile-prefix-map={ROOT}=."
    defined = f'-DEDGECNN_VERSION="{version}"'
    return [*COMMON, *own, *folders, mapped, defined, "-c", str(source)]


def packaged(wanted: Platform | None) -> list[Platform | None]:
    """A platform, and that of browsers where its compiler is installed: a wheel holds both."""
    return [wanted, PLATFORMS["wasm32"]] if find_spec("ziglang") is not None else [wanted]


def _link_flags(library: str) -> list[str]:
    if library.endswith(".wasm"):
        # zig puts the stack first: one that is too deep meets the end of memory, not data.
        exported = ("-Wl,--export-dynamic", "-Wl,--export=__heap_base")
        return ["-O3", "-s", "-nostdlib", "-Wl,--no-entry", *exported, "-Wl,-z,stack-size=65536"]
    if library.endswith(".dylib"):
        return ["-shared", "-O3", "-s", f"-Wl,-install_name,@rpath/{library}"]
    if library.endswith(".dll"):
        return ["-shared", "-O3", "-s"]
    return ["-shared", "-O3", "-s", f"-Wl,-soname,{library}", "-lm", "-lpthread"]


def _run(command: list[str]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise CompilerFailed(f"{' '.join(command)}\n{ran.stderr}")


def project_version() -> str:
    """The version that all distributions of edgecnn share, read from the runtime's source."""
    source = (ROOT.parent / "runtime/edgecnn_runtime/__init__.py").read_text("utf-8")
    line = next(line for line in source.splitlines() if line.startswith("__version__"))
    return line.split('"')[1]


def main() -> int:
    """Compile for the platforms on the command line, or for this machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=", ".join(PLATFORMS))
    names = parser.parse_args().platforms
    if unknown := [name for name in names if name not in PLATFORMS]:
        parser.error(f"no platform is called {unknown[0]}; there are {', '.join(PLATFORMS)}")
    jobs = [(PLATFORMS[name], LIBRARIES / name) for name in names]
    for wanted, folder in jobs or [(each, PACKAGE) for each in packaged(this_platform())]:
        begin = time.monotonic()
        try:
            library, note = compile_library(wanted, folder, project_version())
        except CompilerFailed as error:
            print(error, file=sys.stderr)
            return 1
        seconds = time.monotonic() - begin
        print(f"{library}: {library.stat().st_size:,} bytes, {seconds:.0f} s", file=sys.stderr)
        if note:
            print(note, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
