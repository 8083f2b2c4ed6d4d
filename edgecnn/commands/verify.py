"""``edgecnn verify``: is the bundle what it says, and does it answer as the original does?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import bundle_argument, json_option, quiet_option
from edgecnn.commands.verify_preprocess import preprocess_options, print_certificate
from edgecnn.exit_codes import DIFFERS, FAILED, OK

if TYPE_CHECKING:
    from edgecnn_runtime.parity import Parity

SCHEMA = "edgecnn.verify/1"


@click.command("verify", short_help="Prove that a bundle is whole and answers rightly.")
@bundle_argument
@click.option("--engine", "engines", multiple=True, help="Only this engine; may be repeated.")
@preprocess_options
@json_option
@quiet_option
def command(
    bundle: str,
    engines: tuple[str, ...],
    by_hand: bool,
    data: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check every digest of BUNDLE, then run its golden photographs on every engine here.

    Exit code 0: all that ran is equal. 3: something differs. 1: the bundle cannot be trusted, or
    no engine for it is installed.

    With --preprocess, what it costs to prepare pictures in other ways than the bundle does.

    \b
    Examples:
      edgecnn verify mobilenet_v2.edge
      edgecnn verify mobilenet_v2.edge --preprocess --data photographs/
    """
    if by_hand or data:
        return print_certificate(bundle, by_hand, data, engines, as_json=as_json, quiet=quiet)
    from edgecnn.report.console import print_json
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity import verify

    with Bundle(bundle) as opened:
        rows = verify(opened, engines or None)
        files = len(opened.manifest.files)
    if as_json:
        print_json(SCHEMA, {"bundle": bundle, "files": files, "rows": [asdict(r) for r in rows]})
    else:
        _print(rows)
        if not quiet:
            click.echo(f"\n{files} files have the digests that the manifest lists", err=True)
    if any(row.verdict == "differs" for row in rows):
        return DIFFERS
    ran = any(row.verdict == "equal" and row.engine for row in rows)
    return OK if ran else FAILED


def _print(rows: list[Parity]) -> None:
    from edgecnn.report.console import stdout, table

    shown = table(
        ("what", "engine", "precision", "verdict", "max error", "SQNR", "n", "note"),
        right=("max error", "SQNR", "n"),
    )
    colours = {"equal": "green", "differs": "red", "skipped": "yellow"}
    for row in rows:
        found = row.difference
        figures = (
            (f"{found.relative:.1e}", f"{found.sqnr_db:.0f} dB", str(found.n))
            if found
            else ("", "", "")
        )
        verdict = f"[{colours[row.verdict]}]{row.verdict}[/]"
        shown.add_row(row.subject, row.engine, row.precision, verdict, *figures, row.note)
    stdout().print(shown)
