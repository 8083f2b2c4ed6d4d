"""Printing of a result on stdout: the command's table, or one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.results.result import Result


def print_result(result: Result, *, as_json: bool) -> None:
    """Print the result in the width of the terminal, or as the document of its schema."""
    if as_json:
        from edgecnn.console import print_json

        print_json(result.SCHEMA, asdict(result.document()))
    else:
        from edgecnn.report.blocks import print_blocks

        print_blocks(result.blocks())
