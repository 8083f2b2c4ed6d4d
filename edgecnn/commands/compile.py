"""``edgecnn compile``: NPUs, microcontrollers and the browser, from a bundle's quantisation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import json_option, quiet_option
from edgecnn.console import note

if TYPE_CHECKING:
    from edgecnn_exporters.targets.profile import TargetProfile

RKNN_PYTHON = "EDGECNN_RKNN_PYTHON"


class CompileTargets(click.ParamType["tuple[TargetProfile, ...]"]):
    """Comma-separated names of compile targets, or of chips."""

    name = "TARGET[,TARGET]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[TargetProfile, ...]:
        from edgecnn_exporters.targets import UnknownTarget
        from edgecnn_exporters.targets.profile import target_profile

        if isinstance(value, tuple):
            return value
        try:
            return tuple(target_profile(name) for name in str(value).split(",") if name.strip())
        except UnknownTarget as error:
            self.fail(str(error), param, ctx)


@click.command("compile", short_help="Compile for NPUs, microcontrollers, the browser.")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--for", "chosen", type=CompileTargets(), multiple=True, help="What to compile for.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT.edge|FOLDER",
    help="Bundle to write, BUNDLE itself by default; for mcu, mcu-native and web a folder.",
)
@click.option("--allow-cpu", is_flag=True, help="Operators may stay on the CPU.")
@click.option(
    "--allow-weak",
    is_flag=True,
    help="Write what loses more with 8-bit results, or in the vendor's simulator.",
)
@click.option(
    "--accept-licence",
    "licences",
    multiple=True,
    metavar="PACKAGE",
    help="Accept the licence of a vendor's package; --list names the terms.",
)
@click.option(
    "--rknn-python",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help=f"Interpreter with rknn-toolkit2; by default ${RKNN_PYTHON}.",
)
@click.option(
    "--force", is_flag=True, help="Replace an OUT.edge that holds more, or is of another network."
)
@click.option("--list", "is_listed", is_flag=True, help="List the targets and their compilers.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@json_option
@quiet_option
def command(
    bundle: Path | None,
    chosen: tuple[tuple[TargetProfile, ...], ...],
    output: Path | None,
    allow_cpu: bool,
    allow_weak: bool,
    licences: tuple[str, ...],
    rknn_python: Path | None,
    force: bool,
    is_listed: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compile BUNDLE's 8-bit network for an NPU, a microcontroller or the browser.

    Nothing is quantised again: every target gets the integers that are in the bundle. What is
    compiled is proven as far as this machine can, and added to the bundle with the kind of its
    proof: exact, simulated, estimated, or compiled only.

    An operator that an NPU would leave to the CPU is an error, unless --allow-cpu.

    \b
    Examples:
      edgecnn compile --list
      edgecnn compile resnet20.edge --for ethos-u55-128
      edgecnn compile resnet20.edge --for htp-v73,rk3588 -o npu.edge
      edgecnn compile resnet20.edge --for mcu -o firmware/
      edgecnn compile resnet20.edge --for mcu-native -o firmware/
      edgecnn compile resnet20.edge --for web -o site/
    """
    from edgecnn.results.compile import CompilePlanResult, compile_planned, list_targets
    from edgecnn.results.printing import print_result

    if rknn_python is not None:
        os.environ[RKNN_PYTHON] = str(rknn_python)
    if is_listed:
        print_result(list_targets(), as_json=as_json)
        return
    profiles = tuple({each.name: each for names in chosen for each in names}.values())
    if bundle is None or not profiles:
        missing = "BUNDLE" if bundle is None else "--for TARGET"
        raise click.UsageError(f"{missing} is missing; edgecnn compile --list shows the targets")
    from edgecnn.compile.plan import plan

    planned = plan(bundle, profiles, output, force=force)
    accepted = accepted_licences(licences)
    if dry_run:
        print_result(CompilePlanResult(planned, accepted), as_json=as_json)
        return
    result = compile_planned(
        planned,
        allow_cpu=allow_cpu,
        allow_weak=allow_weak,
        licences=accepted,
        quiet=quiet or as_json,
    )
    for line in result.notes:
        note(f"note: {line}", quiet=quiet)
    print_result(result, as_json=as_json)


def accepted_licences(licences: tuple[str, ...]) -> frozenset[str]:
    """The packages of --accept-licence; a name that no toolchain has is refused."""
    if licences:
        from edgecnn.compile.toolchains import must_accept

        known = must_accept()
        asked = ", ".join(name for name, is_asked in known.items() if is_asked)
        for name in licences:
            if name not in known:
                raise click.BadParameter(
                    f"no compiler has a package {name!r}; licences to accept are those of {asked}",
                    param_hint="--accept-licence",
                )
    return frozenset(licences)
