"""Blocks that benchmarks time: multiply-adds, live networks, samples of a block, timing in turn."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.in_turn import in_turn
from benchmarks.runtime.blocks import Blocks, alive, exported, photographs, timed
from benchmarks.runtime.convolution_blocks import KINDS, Kind, Layer, counted_macs, network
from benchmarks.runtime.inception_blocks import count
from benchmarks.runtime.pooled import least, merge, middle


@pytest.mark.parametrize("layer", [Layer(16, 3), Layer(8, 5), Layer(32, 7)], ids=str)
def test_the_zoo_counts_the_multiply_adds_of_the_formula(layer: Layer) -> None:
    counted = {kind: counted_macs(layer, kind) for kind in KINDS}
    assert counted == {kind: layer.macs(kind) for kind in KINDS}
    # Howard et al. 2017, section 3.1: 1 / N + 1 / K².
    assert counted["separable"] / counted["standard"] == pytest.approx(layer.ratio)
    assert layer.ratio == pytest.approx(1 / layer.channels + 1 / layer.kernel**2)


@pytest.mark.parametrize(
    ("kind", "weights"),
    [("standard", 9 * 4 * 4), ("depthwise", 9 * 4), ("pointwise", 4 * 4)],
)
def test_a_layer_moves_its_input_its_weights_and_its_output(kind: Kind, weights: int) -> None:
    assert Layer(4, 3).values(kind) == 2 * 4 * 28 * 28 + weights


def test_inception_3a_counts_as_table_1_says() -> None:
    pixels, channels = 28 * 28, 192
    ones = channels * (64 + 32)  # the 1×1 branch and the pooling's projection
    reduced = ones + channels * (96 + 16) + 9 * 96 * 128 + 25 * 16 * 32
    direct = ones + 9 * channels * 128 + 25 * channels * 32
    assert count("3a", "reduced", 5)[0] == pixels * reduced
    assert count("3a", "direct", 5)[0] == pixels * direct
    # Beside the weights, two numbers of batch norm for each output channel.
    assert count("3a", "direct", 5)[1] == direct + 2 * (64 + 128 + 32 + 32)


def test_batch_norms_of_the_images_keep_a_random_network_alive() -> None:
    torch.manual_seed(0)
    module = alive(network(Layer(8, 3), "separable"), photographs(28))
    answers = module(torch.from_numpy(photographs(28))).detach().numpy()
    assert not module.training
    assert answers.std(0).min() > 0


def test_a_network_whose_answers_do_not_change_is_refused() -> None:
    module = Blocks(4, [], 4)
    nn.init.zeros_(module.classifier.weight)
    nn.init.ones_(module.classifier.bias)
    with pytest.raises(AssertionError, match=r"answers vary by 0\.0%"):
        alive(module, photographs(28))


def line(network: list[float], rest: list[float], **fields: object) -> dict[str, Any]:
    """A line of results of two blocks on one engine."""
    samples = {"openvino int8 standard": network, "openvino int8 none": rest}
    told = {"machine": "a", "features": [], "engines": {}, "blocks": 2, "disturbed": []}
    return told | {"wall": samples, "processor": samples} | fields


def test_a_blocks_time_is_its_share_of_what_the_blocks_add_to_the_least_round() -> None:
    row = line([9.0, 10.0, 7.0], [1.0, 4.0, 3.0])
    assert least(row, "openvino int8", "standard") == 3.0
    assert middle(row, "openvino int8", "standard", "processor") == 3.0
    assert least(row, "openvino int8", "standard", None) == 3.5


def test_rounds_of_one_machine_are_pooled_and_those_of_another_left_out() -> None:
    lines = [
        line([9.0], [1.0], disturbed=["noise"]),
        line([1.0], [0.5], machine="b"),
        line([8.0], [2.0]),
    ]
    row = merge(lines)
    assert row["wall"] == {"openvino int8 standard": [9.0, 8.0], "openvino int8 none": [1.0, 2.0]}
    assert row["disturbed"] == ["noise"]


def test_candidates_take_turns_and_each_round_gives_a_sample_of_both_clocks() -> None:
    calls: list[str] = []

    def run(name: str) -> None:
        calls.append(name)
        time.sleep(0.001)

    turns = in_turn({"a": lambda: run("a"), "b": lambda: run("b")}, rounds=4, block_ms=0.1)
    assert calls[-8:] == ["a", "b", "b", "a", "b", "a", "a", "b"]
    for samples in (turns.wall_ms, turns.cpu_ms):
        assert {name: len(each) for name, each in samples.items()} == {"a": 4, "b": 4}
    assert set(turns.to_json()) == {"features", "disturbed", "unit", "wall", "processor"}


def test_a_network_is_exported_once_and_timed(tmp_path: Path) -> None:
    path = tmp_path / "separable.edge"
    build = partial(network, Layer(8, 3), "separable")
    for _ in range(2):
        exported(build, 28, path, targets=(), precisions=("fp32",))
    engines, precisions = ("onnxruntime",), ("fp32",)
    turns = timed({"separable": path}, 28, 4, 0.1, engines=engines, precisions=precisions)
    assert {name: len(each) for name, each in turns.wall_ms.items()} == {
        "onnxruntime fp32 separable": 4
    }
