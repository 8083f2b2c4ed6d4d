"""Execution of a compile plan: a bundle with compiled artefacts, a firmware folder, or a page."""

from __future__ import annotations

import glob
import os
import shlex
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.compile.plan import FIRMWARES, WEB, CompilePlan
from edgecnn.fetch import cache_folder
from edgecnn_runtime.atomic import is_alive
from edgecnn_runtime.progress import Announce

if TYPE_CHECKING:
    from edgecnn_exporters.compile.pipeline import CompileResult

LOGS = "logs"
# Characters, each of up to 4 bytes: a file's name has 255 at most.
MOST_STEM = 50


@dataclass(frozen=True)
class Written:
    """What a compilation wrote.

    Attributes:
        path: the bundle, or the folder.
        result: of the compilers; None where none ran.
        files: of a folder, by path in it, in bytes; empty for a bundle.
        lines: further facts, for a person.
    """

    path: Path
    result: CompileResult | None
    files: dict[str, int]
    lines: tuple[str, ...] = ()


def run(
    planned: CompilePlan,
    progress: Announce,
    *,
    allow_cpu: bool = False,
    allow_weak: bool = False,
    licences: frozenset[str] = frozenset(),
    quiet: bool = False,
) -> Written:
    """Carry out a plan.

    Raises:
        EdgeCNNError: as `compile_bundle` and the writers of folders say.
    """
    from edgecnn_exporters.compile.pipeline import CompileRequest, compile_bundle

    folder = planned.folder
    if folder is not None and planned.profiles[0].family == WEB:
        from edgecnn.site.write import write_site

        site = write_site(planned.bundle, folder, quiet=quiet)
        lines = (
            f"{site.artefact.path} by {site.engine.library} {site.engine.version}, "
            f"{site.download_bytes / 1e6:.1f} MB for a visitor to load",
            f"to see it: python3 {shlex.quote(str(folder / 'serve.py'))}",
        )
        return Written(folder, None, site.files, lines)
    request = CompileRequest(
        planned.bundle,
        planned.compiled,
        planned.output,
        log_file(planned.bundle),
        allow_cpu=allow_cpu,
        allow_weak=allow_weak,
        licences=licences,
    )
    result = compile_bundle(request, progress)
    if folder is None:
        assert planned.output is not None
        return Written(planned.output, result, {})
    (target,) = result.targets
    firmware = import_module(FIRMWARES[target.profile.family])
    files = firmware.write_firmware(result.network, target.compiled, folder)
    return Written(folder, result, files)


def log_file(bundle: Path) -> Path:
    """The file in the cache for the compilers' messages of this process's run for a bundle.

    Those of earlier processes for the bundle are removed.
    """
    folder = cache_folder() / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"compile-{bundle.stem[:MOST_STEM]}-"
    for old in folder.glob(f"{glob.escape(prefix)}*.log"):
        pid = old.stem.removeprefix(prefix)
        if pid.isdecimal() and not is_alive(int(pid)):
            old.unlink(missing_ok=True)
    path = folder / f"{prefix}{os.getpid()}.log"
    path.write_text("", encoding="utf-8")
    return path
