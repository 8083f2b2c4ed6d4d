"""What a table says, of latencies that are known."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from math import sin

import pytest
from unit.edgecnn.bench.events import FLOAT, INT8, STATE, proof, run

from edgecnn.bench.sustained import windows
from edgecnn.bench.verdicts import agreement_of, best_of, verdict_of
from edgecnn.report.bench_csv import csv_text
from edgecnn.report.bench_table import bench_blocks, device_line, sustained_lines
from edgecnn.report.blocks import text_of
from edgecnn.results.bench import LatencyResult
from edgecnn_runtime.measure.results import assemble

BOTH = (FLOAT, INT8)


def noisy(row: int, number: int) -> float:
    """10 ms and 6 ms, with noise of 1 % that both share in part."""
    return (10.0, 6.0)[row] * (1 + 0.005 * sin(7 * number) + 0.002 * sin(3 * number + row))


def test_a_row_is_compared_with_the_first() -> None:
    first, second = assemble(BOTH, run(30, noisy)).rows
    assert verdict_of(first) == "baseline"
    assert verdict_of(second) == "FASTER 1.67× ✓"
    assert agreement_of(second) == "33 dB, 3/3"


def test_the_best_choice_comes_last_and_says_what_is_no_slower() -> None:
    three = (*BOTH, replace(INT8, threads=2))
    result = assemble(three, run(30, lambda row, number: noisy(min(row, 1), number), three))
    best = best_of(result, FLOAT.bundle)
    assert best is not None
    assert best.words().startswith("model.int8.tflite on tflite 2.3.0, ")
    assert "no slower within the noise: model.int8.tflite on tflite 2.3.0" in best.words()
    assert "model.tflite" not in best.words().replace("model.int8.tflite", "")


def test_a_run_that_throttled_names_no_winner() -> None:
    hot = replace(STATE, throttled=("throttled", "soft temperature limit"))
    result = assemble(BOTH, run(30, noisy, after=hot))
    assert [verdict_of(row) for row in result.rows] == ["baseline", "TAINTED"]
    assert best_of(result, FLOAT.bundle) is None
    shown = text_of(bench_blocks({"rpi": result}), 160)
    assert "TAINTED: the processor is limited: soft temperature limit, throttled" in shown
    assert "best:" not in shown


def test_rows_that_drift_share_a_line() -> None:
    def slowing(row: int, number: int) -> float:
        return noisy(row, number) * (1 + number / 60)

    (both,) = assemble(BOTH, run(30, slowing)).tainted
    assert both.startswith("2 of 2 rows: the latency drifted by +3")
    (one,) = assemble(BOTH, run(30, lambda row, n: (noisy, slowing)[row](row, n))).tainted
    assert one.startswith("model.int8.tflite on tflite 2.3.0 (ai_edge_litert): the latency drifted")


def test_a_limit_in_the_middle_taints_though_both_ends_are_cool() -> None:
    events = run(30, noisy)
    (middle,) = (e for e in events if e["event"] == "round" and e["number"] == 15)
    middle["state"] = middle["state"] | {"throttled": ["frequency capped"]}
    assert assemble(BOTH, events).tainted == ("the processor is limited: frequency capped",)


def test_a_wrong_row_has_no_time_and_the_table_says_why() -> None:
    events = [e for e in run(30, noisy, (FLOAT,)) if e["event"] != "row"]
    wrong = proof(1, INT8, "differs", "≥ 27.0 dB")
    result = assemble(BOTH, [proof(0, FLOAT), wrong, *events])
    assert verdict_of(result.rows[1]) == "WRONG"
    assert "WRONG: model.int8.tflite on tflite 2.3.0, 4 threads: ≥ 27.0 dB" in bench_blocks(
        {"rpi": result}
    )


def test_the_device_line_names_the_machine_and_what_it_went_through() -> None:
    line = device_line("rpi", assemble(BOTH, run(30, noisy)))
    assert line == (
        "rpi: Raspberry Pi 5 Model B Rev 1.0, 4 × Cortex-A76, 2400 MHz, governor ondemand, "
        "48 → 48 °C, not throttled, Python 3.11.2, n = 30 rounds in turn, 90 runs"
    )


def test_several_devices_share_one_table() -> None:
    result = assemble(BOTH, run(30, noisy))
    lines = text_of(bench_blocks({"rpi4": result, "rpi5": result}), 160).splitlines()
    assert [line.split()[0] for line in lines if "model.int8.tflite" in line][:2] == [
        "rpi4",
        "rpi5",
    ]
    assert sum("best:" in line for line in lines) == 2


def test_csv_and_json_hold_what_the_table_shows() -> None:
    result = assemble(BOTH, run(30, noisy))
    rows = list(csv.DictReader(csv_text({"rpi": result}).splitlines()))
    assert [row["verdict"] for row in rows] == ["baseline", "FASTER 1.67× ✓"]
    assert float(rows[1]["ratio"]) == pytest.approx(0.6, rel=0.01)
    assert [row["batch"] for row in rows] == ["1", "1"]
    (device,) = LatencyResult({"rpi": result}).to_dict()["devices"]
    assert device["best"] == 1
    assert len(device["rows"][0]["latency"]["samples_ms"]) == 90


def test_json_keeps_the_label_of_an_engine_and_adds_its_parts() -> None:
    result = assemble(BOTH, run(30, noisy))
    (device,) = LatencyResult({"rpi": result}).to_dict()["devices"]
    assert device["rows"][0]["engine"] == "tflite 2.3.0 (ai_edge_litert)"
    parts = {"name": "tflite", "version": "2.3.0", "package": "ai-edge-litert"}
    assert device["rows"][0]["engine_id"] == parts
    rows = csv.DictReader(csv_text({"rpi": result}).splitlines())
    assert {row["engine"] for row in rows} == {"tflite 2.3.0 (ai_edge_litert)"}


def heated(row: int, number: int) -> float:
    """The second is faster until both cores are hot, from round 120 on, and then far slower."""
    return noisy(row, number) * (2.5 if row == 1 and number >= 120 else 1.0)


def test_a_long_run_says_where_the_ranking_turns() -> None:
    events = run(240, heated, every_s=5.0, celsius=lambda number: 50.0 + number / 8)
    result = assemble(BOTH, events, is_sustained=True)
    assert result.tainted == ()
    found = windows(result)
    assert [window.order for window in found] == [(1, 0)] * 15 + [(0, 1)] * 15
    first, turn = sustained_lines(result)
    assert first.startswith("0:00–0:40, 50 °C: model.int8.tflite on tflite 2.3.0, 4 threads 6")
    assert turn.startswith("the ranking changes: 10:00–10:40, ")
    assert re.search(r"°C: model.tflite on tflite 2.3.0, 4 threads \S+ ms, model.int8", turn)


def test_rows_that_noise_alone_swaps_do_not_turn_the_ranking() -> None:
    def alike(row: int, number: int) -> float:
        return 10.0 * (1 + 0.01 * sin(5 * number + 2 * row))

    result = assemble(BOTH, run(240, alike, every_s=5.0), is_sustained=True)
    assert len({window.order for window in windows(result)}) == 1
    assert sustained_lines(result)[-1] == "the ranking is the same in all 30 windows"
