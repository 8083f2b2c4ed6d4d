"""``edgecnn devices``: list, show and remove devices and their profiles."""

from __future__ import annotations

import click

from edgecnn.command_group import NearestGroup
from edgecnn.commands.devices_add import add
from edgecnn.commands.options import json_option, quiet_option, silent_option


@click.group(
    "devices",
    cls=NearestGroup,
    invoke_without_command=True,
    short_help="List, add and remove boards.",
)
@click.option("--no-probe", is_flag=True, help="Do not contact the boards.")
@json_option
@quiet_option
@click.pass_context
def command(context: click.Context, no_probe: bool, as_json: bool, quiet: bool) -> None:
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

    from edgecnn.progress_bar import waiting
    from edgecnn.results.devices import list_devices
    from edgecnn.results.printing import print_result

    with waiting("asking the devices", quiet=quiet or as_json):
        listed = list_devices(is_asked=not no_probe)
    print_result(listed, as_json=as_json)


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
    from edgecnn.devices.configured import remove_device
    from edgecnn.results.devices import DeviceRemovedResult
    from edgecnn.results.printing import print_result

    print_result(DeviceRemovedResult(name, remove_device(name)), as_json=as_json)


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
    from edgecnn.devices.find import find_profile
    from edgecnn.results.devices import ProfileResult
    from edgecnn.results.printing import print_result

    print_result(ProfileResult(find_profile(name)), as_json=as_json)


command.add_command(add)
