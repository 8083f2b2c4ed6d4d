"""``edgecnn verify``: digests of a bundle, and parity of its artefacts on every engine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import bundle_argument, json_option, quiet_option
from edgecnn.commands.verify_preprocess import preprocess_options, print_certificate
from edgecnn.console import echo
from edgecnn.exit_codes import DIFFERS, FAILED, OK

if TYPE_CHECKING:
    from edgecnn.verify.diagnose import RowDiagnosis
    from edgecnn.verify.held_out import HeldOutComparison
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity.row import Parity

SCHEMA = "edgecnn.verify/1"
ALL = "all"


class EngineNames(click.ParamType["tuple[str, ...]"]):
    """Comma-separated names of engines; ``all`` → ()."""

    name = "NAME[,NAME]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        return () if ALL in names else names


@click.command("verify", short_help="Check a bundle's digests and verify its answers.")
@bundle_argument
@click.option(
    "--engine",
    "--engines",
    "chosen",
    type=EngineNames(),
    multiple=True,
    help="Only these engines; by default all that open a file of the bundle.",
)
@click.option("--diagnose/--no-diagnose", "is_diagnosed", default=True, help="Name the cause.")
@click.option(
    "--reproduce",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write each cause here as one node with its inputs and a script that runs it.",
)
@click.option(
    "--compiled/--no-compiled",
    "is_proven",
    default=True,
    help="Prove what was compiled for NPUs and microcontrollers; vendors' simulators open their "
    "own files.",
)
@preprocess_options
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="At most this many images of --data.",
)
@budget_options
@json_option
@quiet_option
def command(
    bundle: str,
    chosen: tuple[tuple[str, ...], ...],
    is_diagnosed: bool,
    reproduce: Path | None,
    is_proven: bool,
    by_hand: bool,
    data: str | None,
    limit: int,
    max_memory: int,
    max_seconds: float,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check every digest of BUNDLE, then run its golden photographs on every engine here.

    Each engine runs each file in a process of its own, which ends where the file costs more than
    --max-memory or --max-seconds. Where an answer differs, the first node
    that is wrong by itself is found and its cause named.

    Exit code 0: all that ran is equal. 3: something differs, or an engine crashed. 1: the bundle
    cannot be trusted, or no engine for it is installed.

    With --preprocess, the cost of preparing images in other ways than the bundle does.

    \b
    Examples:
      edgecnn verify mobilenet_v2.edge
      edgecnn verify mobilenet_v2.edge --engines tflite,openvino
      edgecnn verify broken.edge --reproduce broken/
      edgecnn verify mobilenet_v2.edge --data photographs/
      edgecnn verify mobilenet_v2.edge --preprocess --data photographs/
    """
    engines = tuple(dict.fromkeys(name for names in chosen for name in names))
    if by_hand:
        return print_certificate(bundle, data, engines, as_json=as_json, quiet=quiet)
    from edgecnn.console import print_json
    from edgecnn.progress_bar import bar
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.verify_tables import (
        compiled_parity_blocks,
        held_out_blocks,
        parity_blocks,
    )
    from edgecnn_runtime.budget import Budget
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE
    from edgecnn_runtime.parity.verify import verify

    with Bundle(bundle, Budget(max_memory, max_seconds)) as opened:
        with bar("verify", quiet=quiet or as_json) as progress:
            rows = verify(opened, engines or None, isolated=True, progress=progress)
        is_proven = is_proven and not engines
        compiled = _prove_compiled(opened, quiet=quiet or as_json) if is_proven else []
        files = len(opened.manifest.files)
        outside = opened.outside()
        if not as_json:
            # Before the search, which may take long.
            print_blocks(parity_blocks(rows, None if outside is None else Path(outside.path).name))
            if compiled:
                print_blocks(compiled_parity_blocks(compiled))
        findings = _diagnose(opened, rows, reproduce) if is_diagnosed or reproduce else []
        held_out = _hold(opened, rows, data, limit, quiet=quiet or as_json) if data else None
    if as_json:
        document: dict[str, Any] = {"bundle": bundle, "files": files}
        document["rows"] = [row.to_json() for row in (*rows, *compiled)]
        document["findings"] = [finding.to_json() for finding in findings]
        document["pictures"] = None if held_out is None else asdict(held_out)
        print_json(SCHEMA, document)
    else:
        for finding in findings:
            echo(f"\n{finding.words()}")
        if held_out is not None:
            print_blocks(held_out_blocks(held_out))
        if not quiet:
            echo(f"\n{files} files have the digests that the manifest lists", err=True)
    if any(row.verdict in ("differs", "crashed") for row in (*rows, *compiled)):
        return DIFFERS
    ran = any(row.verdict in ANSWERS_AS_MADE and row.engine for row in rows)
    return OK if ran else FAILED


def _prove_compiled(opened: Bundle, *, quiet: bool) -> list[Parity]:
    """Rows of what was compiled for a target."""
    if all(artefact.target is None for artefact in opened.manifest.artefacts):
        return []
    from edgecnn.progress_bar import bar
    from edgecnn.verify.compiled import prove_compiled

    with bar("compiled", quiet=quiet) as progress:
        return prove_compiled(opened, progress)


def _diagnose(opened: Bundle, rows: list[Parity], reproduce: Path | None) -> list[RowDiagnosis]:
    if not any(row.verdict == "differs" for row in rows):
        return []
    from edgecnn.verify.search import find_causes

    return find_causes(opened, rows, reproduce, isolated=True)


def _hold(
    opened: Bundle, rows: list[Parity], data: str, limit: int, *, quiet: bool
) -> HeldOutComparison:
    from edgecnn.progress_bar import bar
    from edgecnn.verify.held_out import compare_with_float
    from edgecnn.verify.preprocess.pictures import verification_images

    pictures = verification_images(data, limit, quiet=quiet)
    with bar("images", quiet=quiet) as progress:
        return compare_with_float(opened, rows, pictures, data, progress)
