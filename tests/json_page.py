"""docs/json.md, written from the dataclasses of `edgecnn.documents`.

``python tests/json_page.py > docs/json.md`` writes the page anew. The examples are real documents,
shortened, in tests/data/json.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from edgecnn.documents.schemas import SCHEMAS, Schema

EXAMPLES = Path(__file__).parent / "data/json"
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
HEAD = """\
# JSON documents

Every command takes `--json` and prints one JSON document on stdout; progress and notes go to
stderr. The Python API gives the same document as `result.to_dict()`.

- `schema` names the document and its version. A version gains fields; it never loses one, and none
  changes its meaning.
- A number that is infinite or not a number is `null`: JSON has neither.
- A command that fails prints [edgecnn.error/1](#edgecnnerror1), with the exit code. A verdict is no
  failure: where `verify` finds a difference, or `bench` a slower artefact, its own document is
  printed, and the exit code says so.

This page is generated: `python tests/json_page.py > docs/json.md`. The examples are shortened.
"""


def page() -> str:
    """The whole page."""
    described: set[type] = set()
    sections = [_section(name, schema, described) for name, schema in SCHEMAS.items()]
    listing = [
        f"| [{name}](#{_anchor(name)}) | `{schema.command} --json` |"
        for name, schema in SCHEMAS.items()
        if name != "edgecnn.error/1"
    ]
    table = "\n".join(["| schema | command |", "|---|---|", *listing])
    return "\n".join([HEAD, table, "", *sections]).rstrip() + "\n"


def example_of(schema: str) -> Path:
    """File of the example of a schema."""
    return EXAMPLES / f"{schema.replace('/', '-')}.json"


def _section(name: str, schema: Schema, described: set[type]) -> str:
    example = example_of(name).read_text(encoding="utf-8").rstrip()
    command = schema.command if "fails" in schema.command else f"{schema.command} --json"
    return "\n".join(
        [
            f"## {name}",
            "",
            f"{_summary(schema.document)} Printed by `{command}`.",
            "",
            "```json",
            example,
            "```",
            "",
            *_tables(schema.document, described, is_root=True),
        ]
    )


def _tables(kind: type, described: set[type], *, is_root: bool = False) -> Iterator[str]:
    """Table of a dataclass, then those of the dataclasses in it that no section has described."""
    described.add(kind)
    if not is_root:
        yield from (f"### {kind.__name__}", "", _summary(kind), "")
    hints, words = get_type_hints(kind), _descriptions(kind)
    yield from ("| field | type | what it is |", "|---|---|---|")
    for field in dataclasses.fields(kind):
        told = words.get(field.name, "").replace("|", "\\|")
        yield f"| `{field.name}` | {_words(hints[field.name])} | {told} |"
    yield ""
    for field in dataclasses.fields(kind):
        for inner in _dataclasses_in(hints[field.name]):
            if inner not in described:
                yield from _tables(inner, described)


def _dataclasses_in(kind: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        yield kind
    for argument in get_args(kind):
        yield from _dataclasses_in(argument)


def _words(kind: Any) -> str:
    """A type in the words of JSON; a dataclass as a link to its table."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return "any"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_words, arguments)))
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        if arguments[1:] == (...,):
            return f"list of {_words(arguments[0])}"
        return f"[{', '.join(map(_words, arguments))}]"
    if origin in (dict, Mapping):
        return f"object of {_words(arguments[1])}"
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return SCALARS[kind]


def _summary(kind: type) -> str:
    return _as_markdown(inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _descriptions(kind: type) -> dict[str, str]:
    """Field → its words in the docstring's Attributes; names before one colon share them."""
    _, _, attributes = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    entries = re.split(r"^    (?=\S)", attributes, flags=re.MULTILINE)[1:]
    words: dict[str, str] = {}
    for entry in entries:
        names, _, text = entry.partition(": ")
        for name in names.split(", "):
            words[name] = _as_markdown(" ".join(text.split()))
    return words


def _as_markdown(text: str) -> str:
    """A docstring's text with JSON's words: ``x`` → `x`, None → null."""
    return re.sub(r"\bNone\b", "null", text.replace("``", "`"))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.lower())


if __name__ == "__main__":
    print(page(), end="")
