"""Clips and scales behind operators of 8 bits: each clips in TFLite as it does in float.

A network holds all clips behind one operator, each with a copy of that operator to itself.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network
from unit.exporters.targets.tflite.integer_support import SAMPLES, encode
from unit.exporters.targets.tflite.support import answer

from edgecnn_exporters.quantise.calibrate.held_out import Division
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.judges import make_judges
from edgecnn_exporters.quantise.state import Bench
from edgecnn_exporters.targets.tflite.source import read_source
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.progress import no_progress

RANDOM = np.random.default_rng(1)
BEFORE = "[n{o}] t{o} = Conv (x, {w})"
# What computes a value of so many channels.
PRODUCERS = {
    "conv": ("[n{o}] {o} = Conv (x, {w})", 6),
    "transposed": ("[n{o}] {o} = ConvTranspose <strides = [2, 2]> (x, {w}_up)", 4),
    "transposed and cut": (
        "[n{o}] {o} = ConvTranspose <strides = [2, 2], pads = [1, 0, 0, 1]> (x, {w}_up)",
        4,
    ),
    "transposed groups": (
        "[n{o}] {o} = ConvTranspose <strides = [2, 2], group = 2> (x, {w}_groups)",
        4,
    ),
    "add": (f"{BEFORE} {{o}} = Add (x, t{{o}})", 6),
    "mul": (f"{BEFORE} {{o}} = Mul (x, t{{o}})", 6),
    "global pool": (f"{BEFORE} {{o}} = GlobalAveragePool (t{{o}})", 6),
    "leaky": (f"{BEFORE} {{o}} = LeakyRelu <alpha = 0.1> (t{{o}})", 6),
    "concat": (
        f"{BEFORE} s{{o}} = Sigmoid (t{{o}}) {{o}} = Concat <axis = 1> (t{{o}}, s{{o}})",
        12,
    ),
    "split": (f"{BEFORE} r{{o}}, {{o}} = Split <axis = 1, num_outputs = 2> (t{{o}})", 3),
    "unequal split": (f"{BEFORE} r{{o}}, {{o}} = Split <axis = 1> (t{{o}}, parts)", 4),
    "max pool": (f"{BEFORE} {{o}} = MaxPool <kernel_shape = [2, 2]> (t{{o}})", 6),
    "average pool": (f"{BEFORE} {{o}} = AveragePool <kernel_shape = [2, 2]> (t{{o}})", 6),
    "pad": (f"{BEFORE} {{o}} = Pad (t{{o}}, edge)", 6),
    "crop": (f"{BEFORE} {{o}} = Pad (t{{o}}, crop)", 6),
    "pad with a number": (f"{BEFORE} {{o}} = Pad (t{{o}}, edge, half)", 6),
    "flip": (f"{BEFORE} {{o}} = Slice (t{{o}}, last, before, axis, back)", 6),
    "tanh": (f"{BEFORE} {{o}} = Tanh (t{{o}})", 6),
    "float": (f"{BEFORE} {{o}} = Elu (t{{o}})", 6),
}
INFINITE = np.inf
# What is made of a, and the bounds of the result.
CLIPS: dict[str, tuple[str, tuple[float, float]]] = {
    "relu": ("Relu ({o})", (0, INFINITE)),
    "relu6": ("Clip ({o}, zero, six)", (0, 6)),
    "around_zero": ("Clip ({o}, below, above)", (-0.2, 0.25)),
    "above_zero": ("Clip ({o}, tenth, more)", (0.1, 0.6)),
    "from_below": ("Clip ({o}, tenth)", (0.1, INFINITE)),
    "from_above": ("Clip ({o}, , above)", (-INFINITE, 0.25)),
    "number": ("Mul ({o}, half)", (-INFINITE, INFINITE)),
    "channels": ("Mul ({o}, factors{channels})", (-INFINITE, INFINITE)),
}
PLACES = {
    "alone": "{y} = Identity ({c})",
    "beside a wider branch": "{wider} {y} = Concat <axis = 1> ({c}, {b})",
    "beside what it clips": "{y} = Concat <axis = 1> ({c}, {a})",
}
KNOWN: dict[str, np.ndarray] = {
    "zero": np.array(0, np.float32),
    "six": np.array(6, np.float32),
    "below": np.array(-0.2, np.float32),
    "above": np.array(0.25, np.float32),
    "tenth": np.array(0.1, np.float32),
    "more": np.array(0.6, np.float32),
    "half": np.array(0.5, np.float32),
    "edge": np.array([0, 0, 1, 1, 0, 0, 0, 2]),
    "crop": np.array([0, 0, -1, 1, 0, 0, -2, 0]),
    "parts": np.array([2, 4]),
    "last": np.array([-1]),
    "before": np.array([-(2**31)]),
    "axis": np.array([3]),
    "back": np.array([-1]),
}
for channels in (3, 4, 6, 12):
    KNOWN[f"factors{channels}"] = RANDOM.uniform(0.2, 1, (channels, 1, 1)).astype(np.float32)
for name, factor in (("w", 2.0), ("wide", 8.0)):
    for suffix, shape in (("", (6, 6, 1, 1)), ("_up", (6, 4, 2, 2)), ("_groups", (6, 2, 2, 2))):
        KNOWN[name + suffix] = (factor * RANDOM.standard_normal(shape)).astype(np.float32)

CASES = list(product(PRODUCERS, PLACES))


def built(producer: str, place: str) -> ir.Model:
    """The network, in float."""
    text, channels = PRODUCERS[producer]
    chains = []
    for name, (clip, _) in CLIPS.items():
        a, b, c, y = (f"{letter}_{name}" for letter in "abcy")
        wider = text.format(o=b, w="wide")
        chains += [
            text.format(o=a, w="w"),
            f"{c} = {clip.format(o=a, channels=channels)}",
            PLACES[place].format(a=a, b=b, c=c, y=y, wider=wider),
        ]
    body = " ".join(chains)
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    used = {name: array for name, array in KNOWN.items() if name in words}
    answers = ", ".join(f"float[N, C, H, W] y_{name}" for name in CLIPS)
    return network(body, used, reads="float[N, 6, 8, 8] x", answers=answers)


def joined(model: ir.Model) -> ir.Model:
    """The QDQ graph in which every join has one encoding, however unlike its parts are."""
    prepared = model.clone()
    prepare(prepared)
    plan = make_plan(prepared.graph)
    config = QuantConfig("fast", observer="min-max")
    judges = make_judges(model, Division(SAMPLES, SAMPLES))
    bench = Bench(config, SAMPLES, judges, no_progress)
    return bench.build(prepared, plan, bench.calibrate(prepared, plan), "min-max").qdq


def rms(array: np.ndarray) -> float:
    return float(np.sqrt((array.astype(np.float64) ** 2).mean()))


@pytest.mark.parametrize(("producer", "place"), CASES, ids=map(", ".join, CASES))
def test_every_clip_clips_as_it_does_in_the_graph_and_in_float(producer: str, place: str) -> None:
    model = built(producer, place)
    names = [f"y_{name}" for name in CLIPS]
    qdq = joined(model)
    found = write_tflite(qdq, TfliteOptions(precision="int8", io="int8"))
    in_float, in_graph = (ValueProbe(graph, names) for graph in (model, qdq))
    coarsest = max(encoding.scale for encoding in read_source(qdq, 1).encodings.values())
    right, expected = in_float.run(SAMPLES[0]), in_graph.run(SAMPLES[0])
    fed = {"x": encode(found.encodings["x"], SAMPLES[0], "int8")}
    made = {delegate: answer(found, fed, delegate=delegate) for delegate in (True, False)}
    for delegate, (name, (_, bounds)) in product(made, CLIPS.items()):
        y = f"y_{name}"
        scale, zero_point = found.encodings[y]
        reals = scale * (made[delegate][y].astype(np.float64) - zero_point)
        own = reals[:, : PRODUCERS[producer][1]]
        assert own.min() >= bounds[0] - 0.51 * scale, name
        assert own.max() <= bounds[1] + 0.51 * scale, name
        # One step of what is clipped may be many of the result.
        differences = np.abs(reals - expected[y])
        assert differences.max() <= 1.01 * scale + coarsest, name
        assert (differences <= 1.01 * scale).mean() > 0.95 or not delegate, name
        assert rms(reals - right[y]) <= 1.2 * rms(expected[y] - right[y]) + scale, name


@pytest.mark.parametrize("producer", PRODUCERS)
def test_every_clip_clips_something(producer: str) -> None:
    """Of the float network's values for the samples, some lie at every finite bound."""
    probe = ValueProbe(built(producer, "alone"), [f"y_{name}" for name in CLIPS])
    answers = [probe.run(sample) for sample in SAMPLES]
    for name, (_, bounds) in CLIPS.items():
        values = np.stack([each[f"y_{name}"] for each in answers])
        finite = [bound for bound in bounds if np.isfinite(bound) and bound != 6]
        assert all((values == np.float32(bound)).any() for bound in finite)
