"""``edgecnn verify``: is the bundle what it says, and does it answer as the original does?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.options import bundle_argument, json_option, quiet_option
from edgecnn.commands.verify_preprocess import preprocess_options, print_certificate
from edgecnn.exit_codes import DIFFERS, FAILED, OK

if TYPE_CHECKING:
    from edgecnn.verify.diagnose import Finding
    from edgecnn.verify.held_out import HeldToFloat
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity.row import Parity

SCHEMA = "edgecnn.verify/1"
ALL = "all"


class Engines(click.ParamType["tuple[str, ...]"]):
    """``tflite,openvino`` → the two; ``all`` → none in particular."""

    name = "NAME[,NAME]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        return () if ALL in names else names


@click.command("verify", short_help="Prove that a bundle is whole and answers rightly.")
@bundle_argument
@click.option(
    "--engine",
    "--engines",
    "chosen",
    type=Engines(),
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
@preprocess_options
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Pictures of --data, at most.",
)
@json_option
@quiet_option
def command(
    bundle: str,
    chosen: tuple[tuple[str, ...], ...],
    is_diagnosed: bool,
    reproduce: Path | None,
    by_hand: bool,
    data: str | None,
    limit: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check every digest of BUNDLE, then run its golden photographs on every engine here.

    Each engine runs each file in a process of its own. Where an answer differs, the first node
    that is wrong by itself is found and its cause named.

    Exit code 0: all that ran is equal. 3: something differs, or an engine crashed. 1: the bundle
    cannot be trusted, or no engine for it is installed.

    With --preprocess, what it costs to prepare pictures in other ways than the bundle does.

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
    from edgecnn.console import bar, print_json
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity.verify import verify

    with Bundle(bundle) as opened:
        with bar("verify", quiet=quiet or as_json) as progress:
            rows = verify(opened, engines or None, isolated=True, progress=progress)
        files = len(opened.manifest.files)
        findings = _diagnose(opened, rows, reproduce) if is_diagnosed or reproduce else []
        held = _hold(opened, rows, data, limit, quiet=quiet or as_json) if data else None
    if as_json:
        document: dict[str, Any] = {"bundle": bundle, "files": files}
        document["rows"] = [row.to_json() for row in rows]
        document["findings"] = [finding.to_json() for finding in findings]
        document["pictures"] = None if held is None else asdict(held)
        print_json(SCHEMA, document)
    else:
        _print(rows)
        for finding in findings:
            click.echo(f"\n{finding.words()}")
        if held is not None:
            _print_held(held)
        if not quiet:
            click.echo(f"\n{files} files have the digests that the manifest lists", err=True)
    if any(row.verdict in ("differs", "crashed") for row in rows):
        return DIFFERS
    ran = any(row.verdict == "equal" and row.engine for row in rows)
    return OK if ran else FAILED


def _diagnose(opened: Bundle, rows: list[Parity], reproduce: Path | None) -> list[Finding]:
    if not any(row.verdict == "differs" for row in rows):
        return []
    from edgecnn.verify.diagnose import find_causes

    return find_causes(opened, rows, reproduce)


def _print(rows: list[Parity]) -> None:
    from edgecnn.console import stdout, table

    shown = table(
        ("what", "engine", "precision", "verdict", "error", "SQNR", "top-1", "limit"),
        right=("error", "SQNR", "top-1"),
    )
    colours = {"equal": "green", "differs": "red", "crashed": "red", "skipped": "yellow"}
    for row in rows:
        verdict = f"[{colours[row.verdict]}]{row.verdict}[/]"
        engine = "" if row.engine is None else row.engine.words()
        note = row.note.replace("[", "\\[")
        shown.add_row(row.subject, engine, row.precision, verdict, *_figures(row), note)
    stdout().print(shown)
    counts = {row.difference.n for row in rows if row.difference is not None and row.engine}
    if counts:
        click.echo(
            f"\nn = {max(counts)} golden photographs; errors as a share of the largest output"
        )


def _hold(opened: Bundle, rows: list[Parity], data: str, limit: int, *, quiet: bool) -> HeldToFloat:
    from edgecnn.console import bar
    from edgecnn.verify.held_out import hold_to_float
    from edgecnn.verify.preprocess.pictures import find_pictures

    pictures = find_pictures(data, limit, quiet=quiet)
    with bar("pictures", quiet=quiet) as progress:
        return hold_to_float(opened, rows, pictures, data, progress)


def _print_held(held: HeldToFloat) -> None:
    from edgecnn.console import stdout, table

    columns = ("same class (95 %)", "error", "SQNR", "within 1 step")
    shown = table(("what", "engine", *columns), right=columns)
    for row in held.rows:
        found = row.difference
        low, high = found.top1_interval
        same = f"{found.top1_agreement:.2%} ({100 * low:.2f}–{100 * high:.2f})"
        near = "" if row.within_a_step is None else f"{row.within_a_step:.2%}"
        figures = f"{found.relative:.1e}", f"{found.sqnr_db:.0f} dB", near
        shown.add_row(row.subject, row.engine, same, *figures)
    click.echo()
    stdout().print(shown)
    click.echo(
        f"\nagainst {held.reference}, n = {held.count:,} pictures of {held.data}; within 1 step: "
        "results of\n8 bits that lie no more than one step from those of model.int8.onnx"
    )


def _figures(row: Parity) -> tuple[str, str, str]:
    found = row.difference
    if found is None:
        return "", "", ""
    top1 = f"{found.top1_agreement:.0%}" if row.engine else ""
    return f"{found.relative:.1e}", f"{found.sqnr_db:.0f} dB", top1
