"""Whatever a bundle calls its parts: a terminal shows it, and does nothing else."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path

import pytest
from hostile.names import FRAGMENTS, acts, names
from hypothesis import HealthCheck, given, settings

import edgecnn
from edgecnn import cli, console
from edgecnn.report.blocks import Labelled, print_blocks
from edgecnn.report.plots.text import literal
from edgecnn.report.run_table import class_blocks
from edgecnn.report.verify_tables import parity_blocks
from edgecnn.verify.diagnose import RowDiagnosis
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.printable import LONGEST, printable, printable_lines
from edgecnn_runtime.tasks import Classification

fuzz = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzz
@given(names())
def test_printable_text_is_one_line_that_does_nothing(name: str) -> None:
    shown = printable(name)
    assert not acts(shown)
    assert "\n" not in shown
    assert shown.encode().decode() == shown
    assert printable(shown) == shown
    assert not acts(printable_lines(name))
    assert printable_lines(name).count("\n") == name.count("\n")


@pytest.mark.parametrize(
    "text",
    ["", "plain", "Käse, crème brûlée", "虎猫", "קָטוּל", "‌می‌خواهم", "👩‍🔬", "a\xa0b", "[1] {2} <3>"],
)
def test_words_of_any_language_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_what_is_left_of_a_name_shows_what_was_there() -> None:
    assert printable("\x1b[31mred\x07 \u202etac \ud800") == r"\x1b[31mred\x07 \u202etac \ud800"
    assert printable("one\r\n  two\nthree\tfour") == r"one two three\tfour"
    long = printable("x" * (LONGEST + 1000))
    assert long.endswith("x… (1,000 more characters)")


def shown_by(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


@fuzz
@given(names())
def test_labels_and_images_in_the_table_of_run(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    print_blocks(
        class_blocks({name: [Classification(0, name, 0.5), Classification(1, "cat", 0.25)]})
    )
    shown = shown_by(capsys)
    assert not acts(shown)
    letters = re.sub(r"\s", "", printable(name))
    assert shown.count("%") == 2 + letters.count("%") * 2


@pytest.mark.parametrize(
    "label", ["[/red]", "[red]cat[/red]", "[link=http://a.b]c[/link]", ":cat:"]
)
def test_markup_in_a_label_is_text(capsys: pytest.CaptureFixture[str], label: str) -> None:
    print_blocks(class_blocks({"x.png": [Classification(0, label, 0.5)]}))
    assert f" {label} " in shown_by(capsys)


@fuzz
@given(names())
def test_names_in_the_table_of_verify(capsys: pytest.CaptureFixture[str], name: str) -> None:
    row = Parity(name, EngineId("fake", name), name, "differs", None, f"does not run: {name}")
    print_blocks(parity_blocks([row], name))
    assert not acts(shown_by(capsys))


@fuzz
@given(names())
def test_names_in_the_words_of_a_diagnosis(name: str) -> None:
    parts = (name, name, name, "saturation", name, name)
    diagnosis = Diagnosis(*parts, is_confirmed=True, isolated=2.0, after=0.5, allowance=name)
    words = RowDiagnosis(name, diagnosis, folder=Path("out") / "x").words()
    assert words.count("\n") == 4  # node, sentence, error, fix, and how to run it
    assert RowDiagnosis(name, None, name).words().count("\n") == 0
    assert not acts(words)


@fuzz
@given(names())
def test_names_in_notes_errors_and_labelled_lines(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    console.complain(EdgeCNNError(name))
    console.echo_line(name)
    print_blocks([Labelled((("network", name),), 10)])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.out.count("\n") == 2
    console.note(name, quiet=False)
    console.echo(name)
    assert not acts(captured.err + captured.out + shown_by(capsys))


@fuzz
@given(names())
def test_json_is_the_same_to_a_parser_and_harmless_to_a_terminal(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    console.print_json("edgecnn.test/1", {"name": name, "nested": [{name: [name]}]})
    shown = shown_by(capsys)
    assert not acts(shown)
    read = json.loads(shown)
    # A pair of surrogates is one character to JSON.
    whole = name.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert read["name"] == whole
    assert read["nested"] == [{whole: [whole]}]


@pytest.mark.parametrize("typed", ["\x1b]0;x\x07", "--\x1b[31m", "zoo\x9b"])
def test_what_was_typed_wrong_is_shown_harmlessly(
    capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    with pytest.raises(SystemExit):
        cli.main([typed])
    shown = shown_by(capsys)
    assert printable(typed) in shown
    assert not acts(shown)


@pytest.mark.parametrize("name", ["$\\frac$", "$x$", "a$b", "\\$\\frac$", "$\x1b[31m$"])
def test_names_in_a_plot_are_no_formulas(name: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.suptitle(literal(name))
    figure.savefig(io.BytesIO(), dpi=20)  # what is no valid formula raises ValueError
    assert not acts(literal(name))


def test_every_fragment_is_harmless_alone() -> None:
    assert not any(acts(printable(fragment)) for fragment in FRAGMENTS)


# Programs of their own, without the user's terminal: edgecnn reads what they print. serve.py lies
# in the folder of a page and is run without edgecnn.
PROGRAMS = frozenset(
    {"devices/browser/agent.py", "devices/browser/worker.py", "web/keeper.py", "site/serve.py"}
)


def test_nothing_but_the_console_prints() -> None:
    """Each way to a terminal that is not through `edgecnn.console` would need its own care."""
    root = Path(edgecnn.__file__).parent
    calls = []
    for path in sorted(root.rglob("*.py")):
        if path.name == "console.py" or path.relative_to(root).as_posix() in PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _prints(node.func):
                calls.append(f"{path.relative_to(root)}:{node.lineno}")
    assert calls == []


def _prints(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in ("print", "Console", "Table")
    if not isinstance(function, ast.Attribute):
        return False
    is_click = isinstance(function.value, ast.Name) and function.value.id == "click"
    return is_click and function.attr in ("echo", "secho", "echo_via_pager", "style")
