"""``edgecnn verify``: digests of a bundle, and parity of its artefacts on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import bundle_argument, json_option, quiet_option
from edgecnn.console import complain, echo

if TYPE_CHECKING:
    from edgecnn.results.verify import VerifyResult
    from edgecnn.results.verifying import VerifyOptions

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
@click.option(
    "--preprocess",
    "by_hand",
    is_flag=True,
    help="Compare other ways to prepare images with the bundle's own.",
)
@click.option(
    "--data",
    metavar="NAME|FOLDER",
    help="Compare every artefact on every engine with the float graph on these images: "
    "a folder, mnist, fashion-mnist, cifar10, imagenet-samples. With --preprocess, the images "
    "to prepare.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare this .onnx or .tflite file, or bundle, with the golden answers of BUNDLE.",
)
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
    against: Path | None,
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
    cannot be trusted, no engine for it is installed, or it has no golden examples.

    With --against, the artefacts of another file are compared with the golden answers instead; the
    exit codes are the same. With --preprocess, the cost of preparing images in other ways than the
    bundle does.

    \b
    Examples:
      edgecnn verify mobilenet_v2.edge
      edgecnn verify mobilenet_v2.edge --engines tflite,openvino
      edgecnn verify broken.edge --reproduce broken/
      edgecnn verify mobilenet_v2.edge --data photographs/
      edgecnn verify mobilenet_v2.edge --preprocess --data photographs/
      edgecnn verify mobilenet_v2.edge --against other.tflite
    """
    from edgecnn.results.printing import print_result
    from edgecnn.results.verify_preprocess import compare_preprocessing
    from edgecnn.results.verifying import VerifyOptions, verify_bundle
    from edgecnn_runtime.budget import Budget

    engines = tuple(dict.fromkeys(name for names in chosen for name in names))
    if against is not None and (by_hand or data is not None or reproduce is not None):
        raise click.UsageError("--against goes with --engine alone: leave the other options out")
    if by_hand:
        costs = compare_preprocessing(
            bundle, data, next(iter(engines), None), quiet=quiet or as_json
        )
        print_result(costs, as_json=as_json)
        return costs.exit_code
    budget = Budget(max_memory, max_seconds)
    options = VerifyOptions(
        engines, is_diagnosed, reproduce, is_proven, data, limit, budget, against
    )
    if as_json:
        result = verify_bundle(bundle, options)
        print_result(result, as_json=True)
    else:
        result = _print_as_known(bundle, options, quiet=quiet)
    for sentence in result.complaints:
        complain(sentence)
    return result.exit_code


def _print_as_known(bundle: str, options: VerifyOptions, *, quiet: bool) -> VerifyResult:
    """Verify, and print the rows before causes are searched for, which may take long."""
    from edgecnn.report.blocks import print_blocks
    from edgecnn.results.verifying import verify_bundle

    result = verify_bundle(
        bundle, options, quiet=quiet, on_rows=lambda rows: print_blocks(rows.parity_blocks())
    )
    print_blocks(result.finding_blocks())
    if not quiet:
        echo(f"\n{result.files} files have the digests that the manifest lists", err=True)
    return result
