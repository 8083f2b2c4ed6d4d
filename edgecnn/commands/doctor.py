"""``edgecnn doctor``: engines and packages of this machine, and how to fix what is missing."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.commands.options import json_option, quiet_option


@click.command("doctor", short_help="Show what works here, and how to fix the rest.")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--device", default="host", show_default=True, help="Machine to examine.")
@json_option
@quiet_option
def command(bundle: Path | None, device: str, as_json: bool, quiet: bool) -> int:
    """Examine this machine: engines, packages, cache, and whatever disturbs measurements.

    Another device is examined from here: its userland, libc, Python, memory and processor, which
    engines it can have and why not the others, and whether they work there. For that the agent and
    the engines are brought to it; what is there already is not sent again.

    With BUNDLE, the last line says which artefact and engine an app's open takes of it on this
    machine, and why; without, in which order it chooses.

    Exit code 0: export and at least one engine work (another device: at least one engine can be
    had). 1: something is missing.

    \b
    Examples:
      edgecnn doctor
      edgecnn doctor mobilenet_v2.edge
      edgecnn doctor --device rpi
    """
    from edgecnn.progress_bar import waiting
    from edgecnn.results.printing import print_result

    if bundle is not None and device != "host":
        raise click.UsageError("BUNDLE: only of this machine, without --device")
    if device == "host":
        from edgecnn.results.doctor.host import examine_host

        with waiting("examining this machine", quiet=quiet or as_json):
            result = examine_host(bundle)
    else:
        from edgecnn.results.doctor.board import examine_device

        result = examine_device(device, quiet=quiet or as_json)
    print_result(result, as_json=as_json)
    return result.exit_code
