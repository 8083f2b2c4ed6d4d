"""docs/json.md, written from the dataclasses of `edgecnn.results.schemas`.

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

from edgecnn.results.schemas import SCHEMAS, Schema

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

This page is generated: `python tests/json_page.py > docs/json.md`. The examples are shortened, and
a list that is empty in one may hold items in a real document.
"""
SHARED = "## Parts of several documents"


def page() -> str:
    """The whole page."""
    parts = [set(_parts(schema.document)) for schema in SCHEMAS.values()]
    shared = {kind for kind in set().union(*parts) if sum(kind in each for each in parts) > 1}
    sections = [_section(name, schema, shared) for name, schema in SCHEMAS.items()]
    tables = [
        line for kind in sorted(shared, key=lambda each: each.__name__) for line in _part(kind)
    ]
    listing = [
        f"| [{name}](#{_anchor(name)}) | `{schema.command} --json` |"
        for name, schema in SCHEMAS.items()
        if name != "edgecnn.error/1"
    ]
    table = "\n".join(["| schema | command |", "|---|---|", *listing])
    return "\n".join([HEAD, table, "", *sections, SHARED, "", *tables]).rstrip() + "\n"


def example_of(schema: str) -> Path:
    """File of the example of a schema."""
    return EXAMPLES / f"{schema.replace('/', '-')}.json"


def _section(name: str, schema: Schema, shared: set[type]) -> str:
    """Example and tables of a document, but for the parts that others have too."""
    example = example_of(name).read_text(encoding="utf-8").rstrip()
    own = [kind for kind in _parts(schema.document) if kind not in shared]
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
            *_table(schema.document),
            *(line for kind in own for line in _part(kind)),
        ]
    )


def _parts(kind: type) -> list[type]:
    """The dataclasses in a dataclass, each once, in the order of its fields."""
    hints = get_type_hints(kind)
    inner = [
        each for field in dataclasses.fields(kind) for each in _dataclasses_in(hints[field.name])
    ]
    return list(dict.fromkeys(part for each in inner for part in (each, *_parts(each))))


def _part(kind: type) -> Iterator[str]:
    yield from (f"### {kind.__name__}", "", _summary(kind), "")
    yield from _table(kind)


def _table(kind: type) -> Iterator[str]:
    """One row a field; fields of one type that share their description are one row."""
    hints, words = get_type_hints(kind), _descriptions(kind)
    rows: dict[tuple[str, str], list[str]] = {}
    for field in dataclasses.fields(kind):
        inner = next(map(_summary, _dataclasses_in(hints[field.name])), "")
        text = words.get(field.name, inner)
        assert text, f"{kind.__name__}.{field.name} has no description"
        rows.setdefault((_words(hints[field.name]), text.replace("|", "\\|")), []).append(
            field.name
        )
    yield from ("| field | type | what it is |", "|---|---|---|")
    for (kind_words, text), names in rows.items():
        yield f"| {', '.join(f'`{name}`' for name in names)} | {kind_words} | {text} |"
    yield ""


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
    words: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, attributes = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")
        words |= _entries(attributes)
    return words


def _entries(attributes: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for entry in re.split(r"^    (?=\S)", attributes, flags=re.MULTILINE)[1:]:
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
