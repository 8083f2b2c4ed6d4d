from __future__ import annotations

import numpy as np
import onnx_ir as ir
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise

RANDOM = np.random.default_rng(3)
SAMPLES = list(RANDOM.standard_normal((16, 1, 3, 8, 8)).astype(np.float32))


def model(factor: float, classes: int = 2) -> ir.Model:
    """Two branches joined, one larger by a factor that the layer behind them makes up for."""
    weight = RANDOM.standard_normal((classes, 16, 1, 1))
    weight[:, :8] /= factor
    weights = {
        "stem": RANDOM.standard_normal((32, 3, 3, 3)),
        "deep": RANDOM.standard_normal((32, 32, 3, 3)) / 10,
        "large": RANDOM.standard_normal((8, 32, 1, 1)) * factor,
        "small": RANDOM.standard_normal((8, 32, 1, 1)),
        "last": weight,
    }
    body = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, stem) [act] b = Relu (a)
     [two] c = Conv <pads = [1, 1, 1, 1]> (b, deep) [act2] d = Relu (c)
     [left] e = Conv (d, large) [right] f = Conv (d, small) [join] g = Concat <axis = 1> (e, f)
     [read] h = Conv (g, last) [act3] y = Relu (h)"""
    return network(body, {name: array.astype(np.float32) for name, array in weights.items()})


def test_a_join_that_loses_a_part_is_float_where_that_is_worth_it() -> None:
    found = quantise(model(100.0), SAMPLES, QuantConfig(observer="min-max"))
    (rung,) = [rung for rung in found.rungs if rung.name == "part joins"]
    assert rung.is_kept
    assert rung.after is not None
    assert rung.after.sqnr_db > rung.before.sqnr_db + 6
    assert set(found.left) == {"join", "read", "act3"}
    assert "join (Concat) joins" in found.left["join"]


def test_like_branches_stay_joined() -> None:
    found = quantise(model(2.0), SAMPLES, QuantConfig(observer="min-max"))
    (rung,) = [rung for rung in found.rungs if rung.name == "part joins"]
    assert rung.after is None
    assert not found.left


def test_a_join_that_much_arithmetic_reads_stays() -> None:
    found = quantise(model(100.0, classes=200), SAMPLES, QuantConfig(observer="min-max"))
    (rung,) = [rung for rung in found.rungs if rung.name == "part joins"]
    assert "too much" in rung.note
    assert "join" not in found.left
