"""Plans that break a MUST of what moves blocks, blends, or computes across channels are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from native.binding import PLAN, Library, Model, Refused
from native.damage import change, read, sections
from native.formulas import F, Window
from native.network import STORED, Image, Network
from native.plan_bytes import CODES, NOWHERE, OUTPUT

NAN, INFINITE = float("nan"), float("inf")
FUNCTION = CODES.index("function") + 1


def refusal(library: Library, plan: bytes) -> str:
    """What the library says to a plan; it does not open."""
    with pytest.raises(Refused) as refused:
        Model(library, plan).close()
    assert refused.value.code == PLAN
    return str(refused.value)


def one(code: str, size: tuple[int, int] = (8, 8), **fields: object) -> bytes:
    """QUANTISE of an image (16, 8, 8), an operation to 16 channels of a size, DEQUANTISE."""
    built = Network(np.random.default_rng(0), batch=1)
    x = built.image((16, 8, 8))
    y = built.result(np.zeros((1, 16, *size), np.uint8), STORED)
    built.plan.operation(code, (x.number,), y.number, 16, **fields)
    built.group(size[0])
    built.output(y)
    return built.plan.to_bytes()


def blocks() -> bytes:
    """DEPTH_TO_SPACE of blocks of 2 x 2 to 15 x 16 pixels."""
    return one("depth_to_space", (15, 16), stride=(2, 2), weights=np.zeros(64, np.uint32))


def blend() -> bytes:
    """BILINEAR to 3 x 2 pixels."""
    parts = [np.zeros(5, np.uint32), np.full(10, 0.5, F).view(np.uint32)]
    return one("bilinear", (3, 2), weights=np.concatenate(parts), factors=(0.1, 0.1, 0))


def norm() -> bytes:
    """RESPONSE_NORM of beta 0.75 over 5 channels."""
    return one("response_norm", flags=3, groups=5, factors=(1, 1, 1e-4))


def softmax() -> bytes:
    """SOFTMAX of 256 levels."""
    return one("softmax", weights=np.ones(256, np.uint32), factors=(256, 0, 0))


def window() -> bytes:
    """CHANNELS of a window of 2 x 2."""
    two = Window((2, 2), (2, 2))
    shape = {"kernel": two.kernel, "stride": two.stride}
    return one("channels", (4, 4), weights=np.full(16, 3 << 17 | 15, np.uint32), **shape)


def function(code: int = 1) -> bytes:
    """DEQUANTISE to an output, and FUNCTION of it: operations 1 and 2, tensor 2."""
    built = Network(np.random.default_rng(0), batch=1)
    x: Image = built.image((16, 8, 8))
    y = built.plan.tensor(OUTPUT, (16, 8, 8), is_float=True)
    reals = np.zeros(256, F)
    built.plan.operation("dequantise", (x.number,), y, 16, factors=(1, 0, 0), weights=reals)
    built.plan.operation("function", (y,), y, 16, flags=code, factors=(0, -1, 1))
    built.group(8)
    return built.plan.to_bytes()


FIELDS = [
    (blocks, {"stride_h": 1}, "its output is larger than its blocks"),
    (blocks, {"stride_w": 65535}, "its map is outside the data"),
    (blocks, {"stride_w": 0}, "a kernel, stride or dilation of 0"),
    (blocks, {"kernel_h": 2}, "a window where there is none"),
    (blocks, {"output_channels": 17}, "it writes channels that its output lacks"),
    (blocks, {"channels": 17}, "it reads channels that its input lacks"),
    (blocks, {"weights": NOWHERE}, "its map is outside the data"),
    (blend, {"stride_h": 2}, "a window where there is none"),
    (blend, {"factor_a": 0.0}, "its scale"),
    (blend, {"factor_a": NAN}, "a factor"),
    (blend, {"factor_b": 0.0}, "its scale"),
    (blend, {"factor_b": 1e-8}, "a scaled sum may leave 32 bits"),
    (blend, {"weights": 64}, "its map is outside the data"),
    (norm, {"flags": 0}, "a reserved field is not 0"),
    (norm, {"flags": 9}, "a reserved field is not 0"),
    (norm, {"channel_groups": 0}, "its sums may leave 32 bits"),
    (norm, {"channel_groups": 33026}, "its sums may leave 32 bits"),
    (norm, {"factor_b": 0.0}, "a factor"),
    (norm, {"factor_c": -1.0}, "a factor"),
    (norm, {"factor_b": 1e-30}, "a scaled sum may leave 32 bits"),
    (norm, {"factor_a": -INFINITE}, "a factor"),
    (softmax, {"weights": 64}, "its exponentials are outside the data"),
    (softmax, {"factor_a": 0.5}, "its levels"),
    (softmax, {"channels": 17, "output_channels": 17}, "it reads channels that its input lacks"),
    (window, {"kernel_h": 1, "stride_h": 1}, "its map points outside the input"),
    (window, {"kernel_w": 3}, "its windows pass the right pads"),
    (window, {"channels": 15}, "its map points outside the input"),
    (function, {"flags": 0}, "a reserved field is not 0"),
    (function, {"flags": 5}, "a reserved field is not 0"),
    (function, {"input": 1}, "it writes an input or reads an output"),
    (function, {"output": 1}, "it is not in place"),
    (function, {"channels": 15, "output_channels": 15}, "not all channels"),
    (function, {"pad_row": 0}, "a row of pads without windows"),
    (lambda: function(4), {"factor_b": 2.0}, "a factor"),
    (lambda: function(4), {"factor_c": NAN}, "a factor"),
]


@pytest.mark.parametrize("number", range(len(FIELDS)))
def test_a_field_that_lies_is_refused(library: Library, number: int) -> None:
    make, fields, words = FIELDS[number]
    plan = make()
    Model(library, plan).close()
    last = 2 if read(plan, "operation", 2, "code") == FUNCTION else 1
    assert words in refusal(library, change(plan, "operation", last, **fields))


def test_a_function_reads_an_output_of_floats_that_was_written(library: Library) -> None:
    assert "float32" in refusal(library, change(function(), "tensor", 2, type=0))
    unwritten = change(function(), "operation", 1, code=FUNCTION, input=2, flags=1)
    assert "reads what none before it has written" in refusal(library, unwritten)


def mapped(plan: bytes, at: int, code: str, number: float) -> bytes:
    """The map of operation 1 with another number at some place."""
    place = sections(plan).data + read(plan, "operation", 1, "weights") + 4 * at
    return plan[:place] + struct.pack(f"<{code}", number) + plan[place + 4 :]


def test_maps_and_tables_hold_what_kernels_take(library: Library) -> None:
    for plan, at, number in ((blocks(), 63, 16), (blend(), 2, 8), (blend(), 4, 8)):
        assert "points outside the input" in refusal(library, mapped(plan, at, "I", number))
    for share in (-0.1, 1.1, NAN):
        assert "a weight of a row" in refusal(library, mapped(blend(), 14, "f", share))
    assert "of its largest value is 0" in refusal(library, mapped(softmax(), 255, "I", 0))
    lost = change(function(), "operation", 1, weights=2**20)
    assert "its reals are outside the data" in refusal(library, lost)
