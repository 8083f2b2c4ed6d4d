"""``edgecnn devices``: list, show and remove devices and their profiles."""

from __future__ import annotations

import click

from edgecnn.commands.devices_add import add
from edgecnn.commands.options import json_option, silent_option
from edgecnn.console import echo

SCHEMA = "edgecnn.devices/1"


@click.group("devices", invoke_without_command=True, short_help="List, add and remove boards.")
@click.option("--no-probe", is_flag=True, help="Do not contact the boards.")
@json_option
@silent_option
@click.pass_context
def command(context: click.Context, no_probe: bool, as_json: bool) -> None:
    """List the devices that bench and doctor know: this machine, your boards, emulated ones.

    Your boards are asked over ssh, all at once, and have five seconds to answer.

    \b
    Examples:
      edgecnn devices
      edgecnn devices add rpi pi@raspberrypi.local
      edgecnn devices show rpi4
    """
    if context.invoked_subcommand is not None:
        return

    from edgecnn.console import print_json
    from edgecnn.devices.configured import config_path
    from edgecnn.devices.listing import device_rows
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.devices_tables import devices_blocks

    rows = device_rows(is_asked=not no_probe)
    if as_json:
        document = {"file": str(config_path()), "devices": [row.to_json() for row in rows]}
        print_json(SCHEMA, document)
    else:
        print_blocks(devices_blocks(rows))


@command.command("remove", short_help="Remove a device.")
@click.argument("name")
@json_option
@silent_option
def remove(name: str, as_json: bool) -> None:
    """Remove NAME from your file of devices. The board is not contacted.

    \b
    Example:
      edgecnn devices remove rpi
    """
    from edgecnn.console import print_json
    from edgecnn.devices.configured import remove_device

    path = remove_device(name)
    if as_json:
        print_json("edgecnn.devices-remove/1", {"name": name, "file": str(path)})
    else:
        echo(f"removed {name} from {path}")


@command.command("show", short_help="Show a board's figures and their sources.")
@click.argument("name")
@json_option
@silent_option
def show(name: str, as_json: bool) -> None:
    """Show the profile NAME, or that of a device of yours.

    \b
    Example:
      edgecnn devices show rpi5
    """
    from dataclasses import asdict

    from edgecnn.console import print_json
    from edgecnn.devices.find import find_profile
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.devices_tables import profile_blocks

    profile = find_profile(name)
    if as_json:
        print_json("edgecnn.profile/1", asdict(profile))
    else:
        print_blocks(profile_blocks(profile))


command.add_command(add)
