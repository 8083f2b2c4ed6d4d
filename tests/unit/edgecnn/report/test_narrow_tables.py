"""Every table in terminals of any width: words stay whole, no line is wider than the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from unit.edgecnn.report.every_table import PARITY, VELA, every_table

from edgecnn.console import table, wrapped
from edgecnn.report.blocks import Block, Labelled, print_blocks, text_of
from edgecnn.report.verify_tables import parity_blocks
from edgecnn.text_table import TextTable
from edgecnn.text_width import ELLIPSIS, shorten, width_of

TABLES = every_table()
WIDTHS = (60, 72, 80, 100, 160)
each_table = pytest.mark.parametrize("blocks", TABLES.values(), ids=TABLES)


def tables(blocks: Sequence[Block]) -> list[TextTable]:
    return [block for block in blocks if isinstance(block, TextTable)]


@each_table
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(blocks: Sequence[Block], width: int) -> None:
    lines = text_of(blocks, width).splitlines()
    # A command that installs stays whole, to be copied: the terminal breaks it.
    assert max(width_of(line) for line in lines if " install " not in line) <= width
    assert max(width_of(line) for line in text_of(tables(blocks), width).splitlines()) <= width


@each_table
@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_is_broken_and_no_header_is_cut(blocks: Sequence[Block], width: int) -> None:
    for shown in tables(blocks):
        text = text_of([shown], width)
        words = {word for row in shown.rows for cell in row for word in str(cell).split()}
        words |= {word for column in shown.columns for word in column.header.split()}
        for word in text.split():
            is_whole = any(word.strip(":;,") == known.strip(":;,") for known in words)
            assert is_whole or ELLIPSIS in word or word in LAYOUT or set(word) == {"─"}, word


# "left out at this width: p90, MB"
LAYOUT = frozenset(["left", "out", "at", "this", "width:"])


@each_table
def test_80_columns_keep_every_value_but_those_of_columns_listed_as_left_out(
    blocks: Sequence[Block],
) -> None:
    for shown in tables(blocks):
        text = text_of([shown], 80)
        left_out = text.partition("left out at this width: ")[2].replace("\n", " ").split(", ")
        words = text.split()
        for column, at in zip(shown.columns, range(len(shown.columns)), strict=True):
            if column.header in left_out:
                continue
            for value in shown.texts(at):
                assert all(
                    any(word in one or _is_short_for(one, word) for one in words)
                    for word in value.split()
                ), value


def _is_short_for(shown: str, word: str) -> bool:
    before, ellipsis, after = shown.partition(ELLIPSIS)
    return bool(ellipsis) and word.startswith(before) and word.endswith(after)


@pytest.mark.parametrize("width", [40, *WIDTHS, None])
def test_the_verdict_is_always_there(width: int | None) -> None:
    for name in ("verify", "verify, compiled", "bench, emulated"):
        text = text_of(TABLES[name], width)
        for shown in tables(TABLES[name]):
            (at,) = (n for n, one in enumerate(shown.columns) if one.header == "verdict")
            assert all(verdict in text for verdict in shown.texts(at))
    assert text_of(TABLES["bench"], width).count("✓") >= 1 or "SLOWER" in text_of(TABLES["bench"])


@each_table
def test_a_pipe_gets_a_line_a_row_and_all_columns(blocks: Sequence[Block]) -> None:
    for shown in tables(blocks):
        header, rule, *rows = text_of([shown], None).splitlines()
        assert all(column.header in header for column in shown.columns)
        assert set(rule) == {"─"}
        assert len(rows) == len(shown.rows)


def test_the_usual_rows_of_verify_are_one_line_each_in_80_columns() -> None:
    rows = [each for each in PARITY if each.engine is not None and each.difference is not None]
    (shown,) = tables(parity_blocks([each for each in rows if each.subject == "model.onnx"]))
    assert len(text_of([shown], 80).splitlines()) == 4  # and "left out: precision"


def test_a_value_that_has_no_room_is_below_its_row() -> None:
    shown = table(("what", "fix"), drop=("fix",), below=("fix",))
    shown.add_row("engine", "pip install a-package-of-a-long-name")
    shown.add_row("other", "")
    assert text_of([shown], 30).splitlines()[2:] == [
        "engine",
        "  fix: pip install",
        "    a-package-of-a-long-name",
        "other",
    ]


def test_a_path_is_shortened_in_the_middle_where_nothing_else_helps() -> None:
    assert shorten(VELA, 20) == "npu/ethos…ela.tflite"
    assert width_of(shorten("模型" * 20, 20)) <= 20
    assert shorten("model.onnx", 10) == "model.onnx"


def test_a_very_narrow_terminal_gets_one_block_a_row() -> None:
    lines = text_of(tables(TABLES["verify"]), 30).splitlines()
    assert lines[:3] == ["what: model.int8.tflite", "  engine: tflite-reference", "    2.3.0"]
    assert "  verdict: differs" in lines


def test_chinese_and_emoji_take_two_columns() -> None:
    shown = table(("class", "score"), right=("score",))
    shown.add_row("斗牛梗 🐕", "50.0%")
    shown.add_row("cat", "0.5%")
    lines = text_of([shown]).splitlines()
    assert [width_of(line) for line in lines] == [17, 17, 17, 17]


def test_values_of_labelled_lines_stand_below_each_other() -> None:
    block = Labelled((("int8", "SQNR 35.3 dB of 32 fresh samples"), ("", "")), 8)
    assert text_of([block], 32) == "int8    SQNR 35.3 dB of 32 fresh\n        samples\n"
    assert text_of([block], None) == "int8    SQNR 35.3 dB of 32 fresh samples\n"


def test_lines_break_at_blanks_only() -> None:
    command = "pip-install-" * 9
    assert wrapped(f"a {command} b", 80).split() == ["a", command, "b"]


@pytest.mark.parametrize(
    "command",
    [
        "pip install 'edgecnn[export]'",
        "python3 -m pip install 'edgecnn[export]'",
        "uv tool install --with 'edgecnn[export]' .",
        "sudo apt install python3",
    ],
)
def test_a_command_that_installs_stays_in_one_line_to_be_copied(command: str) -> None:
    text = f"torch is not installed, which this needs; {command}; edgecnn doctor shows the rest"
    lines = wrapped(text, 60).splitlines()
    assert sum(command in line for line in lines) == 1
    assert " ".join(" ".join(lines).split()) == text


@pytest.mark.parametrize(
    ("variables", "has_colour"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"COLUMNS": "80"}, False),
    ],
)
def test_colours_in_a_pipe(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    has_colour: bool,
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    print_blocks(TABLES["verify"])
    out = capsys.readouterr().out
    assert ("\x1b[" in out) == has_colour
    assert (max(map(len, re.sub(r"\x1b\[\d*m", "", out).splitlines())) > 80) == (
        "COLUMNS" not in variables
    )
