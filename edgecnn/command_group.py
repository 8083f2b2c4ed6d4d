"""Groups of commands that answer a mistyped command with the nearest one."""

from __future__ import annotations

import difflib

import click


class NearestGroup(click.Group):
    """A group whose unknown commands are answered with the nearest known name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
            offer = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            ctx.fail(f"No such command {name!r}; {offer}")
        return super().resolve_command(ctx, args)
