"""Names of the Python API, and what importing them costs."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import edgecnn


def test_what_edgecnn_offers_is_what_it_lists() -> None:
    for name in edgecnn.__all__:
        getattr(edgecnn, name)
    listed = {name for names in edgecnn._NAMES.values() for name in names}
    assert listed == set(edgecnn.__all__) <= set(dir(edgecnn))
    public = {
        name
        for name, value in vars(edgecnn).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }
    assert public - {"TYPE_CHECKING"} <= set(edgecnn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edgecnn.nothing  # type: ignore[attr-defined]


def test_errors_have_one_root() -> None:
    errors = [getattr(edgecnn, name) for name in edgecnn.__all__]
    errors = [one for one in errors if isinstance(one, type) and issubclass(one, Exception)]
    assert len(errors) > 10
    assert all(issubclass(one, edgecnn.EdgeCNNError) for one in errors)


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import edgecnn", {"torch", "numpy", "rich", "click", "onnx"}),
        ("import edgecnn; edgecnn.EdgeCNNError", {"torch", "numpy", "rich", "click", "onnx"}),
        ("import edgecnn; edgecnn.open_bundle, edgecnn.export", {"torch", "rich", "onnx"}),
    ],
)
def test_importing_edgecnn_loads_nothing_heavy(code: str, heavy: set[str]) -> None:
    code = f"{code}; import sys; print({heavy!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


PAGE = Path(__file__).parents[4] / "docs/api.md"
# Each section of the page: the function, and the command whose options it has.
SECTIONS = {
    "edgecnn.export": (edgecnn.export, "export", ()),
    "edgecnn.load_network": (edgecnn.load_network, "export", ()),
    "Bundle.verify": (edgecnn.Bundle.verify, "verify", ()),
    "Bundle.evaluate": (edgecnn.Bundle.evaluate, "evaluate", ()),
    "Bundle.bench": (edgecnn.Bundle.bench, "bench", ()),
    "Bundle.learn": (edgecnn.Bundle.learn, "learn", ()),
    "Bundle.compile": (edgecnn.Bundle.compile, "compile", ()),
    "Bundle.run": (edgecnn.Bundle.run, "run", ()),
    "Bundle.extract": (edgecnn.Bundle.extract, "bundle", ("extract",)),
    "Bundle.strip": (edgecnn.Bundle.strip, "bundle", ("strip",)),
}
# Options that no parameter stands for; docs/api.md says so.
COMMAND_LINE_ALONE = {"--json", "--quiet", "--verbose", "--dry-run", "--report", "--plot", "--csv"}
COMMAND_LINE_ALONE |= {"--preprocess", "--list", "--rknn-python", "--help"}


def table(section: str) -> dict[str, str]:
    """Parameter → option, from the table of a section."""
    text = PAGE.read_text(encoding="utf-8").split(f"### `{section}`\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE)
    pairs = {}
    for parameters, options in rows:
        names, words = re.findall(r"`(\w+)`", parameters), re.findall(r"--[\w-]+", options)
        pairs |= dict(zip(names, words or [options] * len(names), strict=True))
    return pairs


def options_of(name: str, subcommands: tuple[str, ...]) -> dict[str, click.Option]:
    command = importlib.import_module(f"edgecnn.commands.{name}").command
    for each in subcommands:
        command = command.commands[each]
    options = [one for one in command.params if isinstance(one, click.Option)]
    return {flag: one for one in options for flag in one.opts if flag.startswith("--")}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_parameter_is_on_the_page_with_the_option_that_it_is(section: str) -> None:
    function, command, subcommands = SECTIONS[section]
    parameters = dict(inspect.signature(function).parameters)
    parameters.pop("self", None)
    pairs, options = table(section), options_of(command, subcommands)
    assert list(pairs) == list(parameters)
    for name, option in pairs.items():
        if option.startswith("--"):
            assert option in options
            if option != "--for" and (section, name) != ("Bundle.extract", "folder"):
                assert option.removeprefix("--").replace("-", "_") in (name, name.removesuffix("s"))


@pytest.mark.parametrize("section", sorted(set(SECTIONS) - {"edgecnn.load_network"}))
def test_every_option_is_a_parameter(section: str) -> None:
    _, command, subcommands = SECTIONS[section]
    options = options_of(command, subcommands)
    stood_for = {id(options[flag]) for flag in table(section).values() if flag in options}
    rest = {flag for flag, one in options.items() if id(one) not in stood_for}
    assert rest - {"--quantise"} <= COMMAND_LINE_ALONE


@pytest.mark.parametrize("section", SECTIONS)
def test_defaults_are_those_of_the_command_line(section: str) -> None:
    function, command, subcommands = SECTIONS[section]
    options = options_of(command, subcommands)
    for name, option in table(section).items():
        default = inspect.signature(function).parameters[name].default
        own = options[option].default if option in options else None
        if isinstance(own, bool | int | float | str) and own != "" and default is not None:
            assert str(default) == str(own), name


def test_every_name_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in edgecnn.__all__:
        assert f"`{name}" in text, name
