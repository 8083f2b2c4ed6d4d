"""Cases for kernels that move blocks of pixels, blend them, or compute across channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from native import formulas
from native.draw import Draw, strip
from native.formulas import F
from native.network import NO_END, STORED, Image, Network, Place
from native.plan_bytes import OUTPUT


def windowed_channels(_: str, draw: Draw, network: Network) -> Image:
    """CHANNELS of any taps of a window, also beyond the image."""
    channels, size = draw.channels(), draw.size()
    window, out, right = draw.window(size)
    outside = draw.between(0, 255)
    x = network.image((channels, *size), Place(pads=(window.pads[1], right), pad_value=outside))
    count = draw.channels()
    taps = draw.rng.integers(0, window.kernel[0] * window.kernel[1], count)
    numbers = draw.rng.integers(0, channels, count)
    read = formulas.windows(x.values, window, out, outside)
    rows, columns = taps // window.kernel[1], taps % window.kernel[1]
    values = read[:, numbers, :, rows, :, columns].transpose(1, 0, 2, 3).astype(np.uint8)
    y = network.result(values, STORED)
    network.plan.operation(
        "channels", (x.number,), y.number, channels, count, **network.window(x, window, out),
        weights=(taps << 17 | numbers).astype(np.uint32),
    )  # fmt: skip
    network.group(strip(draw, out[0]))
    return y


def blocks(_: str, draw: Draw, network: Network) -> Image:
    """DEPTH_TO_SPACE of any channels, or of some that follow one another; the last block is cut."""
    x = network.image((draw.channels(), *draw.size()))
    block, count = (draw.between(1, 3), draw.between(1, 4)), draw.channels()
    index = draw.rng.integers(0, x.channels, (*block, count))
    if draw.chance(0.5):
        count = draw.between(1, x.channels)
        first = draw.rng.integers(0, x.channels - count + 1, block)
        index = first[..., None] + np.arange(count)
    size = [
        length * step - draw.between(0, step - 1)
        for length, step in zip(x.size, block, strict=True)
    ]
    rows, columns = (np.arange(length) for length in size)
    taken = x.values[:, :, rows // block[0]][..., columns // block[1]]
    numbers = index[rows[:, None] % block[0], columns % block[1]].transpose(2, 0, 1)
    values = np.take_along_axis(taken, numbers[None], axis=1).astype(np.uint8)
    y = network.result(values, STORED)
    network.plan.operation(
        "depth_to_space", (x.number,), y.number, x.channels, count, stride=block,
        weights=index.astype(np.uint32),
    )  # fmt: skip
    network.group(size[0])
    return y


def blends(_: str, draw: Draw, network: Network) -> Image | None:
    """BILINEAR at any places, sometimes to floats."""
    x, place, size = network.image((draw.channels(), *draw.size())), draw.place(), draw.size()
    z0, scale, own = draw.between(0, 255), *draw.rng.uniform(0.01, 0.1, 2).astype(F)
    if draw.chance(0.5):
        own = scale
    first, shares = [], []
    for axis in (0, 1):
        first.append(draw.rng.integers(0, x.size[axis], size[axis]))
        share = draw.rng.integers(0, 9, size[axis]) / 8  # with halves, that are rounded to even
        shares.append(np.stack([1 - share, share], axis=1).astype(F))
    reals = formulas.bilinear(x.values, first, shares, z0, scale)
    is_float = draw.chance(0.25)
    if is_float:
        y = Image(network.plan.tensor(OUTPUT, (x.channels, *size), is_float=True), reals)
        network.outputs.append(reals)
    else:
        y = network.result(NO_END.of(formulas.rounded(reals / own, place.zero_point)), place)
    parts = [each.astype(np.uint32) for each in first]
    parts += [each.reshape(-1).view(np.uint32) for each in shares]
    network.plan.operation(
        "bilinear", (x.number,), y.number, x.channels, weights=np.concatenate(parts),
        zero_points=(place.zero_point, z0, 0), factors=(float(scale), float(own), 0),
    )  # fmt: skip
    network.group(size[0])
    return None if is_float else y


def norms(_: str, draw: Draw, network: Network) -> Image:
    """RESPONSE_NORM over any number of channels."""
    x, place, end = network.image((draw.channels(), *draw.size())), draw.place(), draw.end()
    size, roots, z0 = draw.between(1, 7), draw.between(1, 8), draw.between(0, 255)
    factors = (draw.rng.uniform(0.3, 3), draw.rng.uniform(0.5, 2), draw.rng.uniform(0, 1e-4))
    scaled = formulas.response_norm(x.values, z0, size, roots, factors)
    y = network.result(end.of(formulas.rounded(scaled, place.zero_point)), place)
    network.plan.operation(
        "response_norm", (x.number,), y.number, x.channels, groups=size, flags=roots,
        zero_points=(place.zero_point, z0, 0), factors=factors, **network.end(end),
    )  # fmt: skip
    network.group(strip(draw, x.size[0]))
    return y


def softmaxes(_: str, draw: Draw, network: Network) -> Image:
    """SOFTMAX of integers."""
    x, end = network.image((draw.channels(), *draw.size())), draw.end()
    exps = np.rint(0x7FFFFF * np.exp(np.arange(-255, 1) * draw.rng.uniform(0.001, 0.2)))
    levels, zero_point = draw.between(1, 300), draw.between(0, 20)
    shares = formulas.softmax_integers(x.values, exps.astype(np.int64), levels)
    y = network.result(end.of(shares + zero_point), STORED)
    network.plan.operation(
        "softmax", (x.number,), y.number, x.channels, weights=exps.astype(np.uint32),
        zero_points=(zero_point, 0, 0), factors=(float(levels), 0, 0), **network.end(end),
    )  # fmt: skip
    network.group(strip(draw, x.size[0]))
    return y


def functions(_: str, draw: Draw, network: Network) -> None:
    """FUNCTION of a float output, and a table of reals before it at times."""
    x, code = network.image((draw.channels(), *draw.size())), draw.number % 4 + 1
    reals: NDArray[np.float32] = draw.rng.normal(0, 20, 256).astype(F)
    scale, is_table = 0.11, draw.chance(0.5)
    values = reals[x.values] if is_table else (x.values.astype(np.int64) - 99).astype(F) * F(scale)
    number = network.plan.tensor(OUTPUT, (x.channels, *x.size), is_float=True)
    network.plan.operation(
        "dequantise", (x.number,), number, x.channels, factors=(scale, 0, 0),
        zero_points=(0, 99, 0), weights=reals if is_table else None,
    )  # fmt: skip
    bounds = (-1.5, float("inf"))
    network.plan.operation(
        "function", (number,), number, x.channels, flags=code, factors=(0, *bounds)
    )
    network.group(strip(draw, x.size[0]))
    network.outputs.append(formulas.function(code, values, bounds))
    network.rounding = 0.0 if code == 4 else 1e-5  # what is left of the difference of large floats


MOVING: dict[str, Callable[[str, Draw, Network], Image | None]] = {
    "channels of windows": windowed_channels,
    "depth_to_space": blocks,
    "bilinear": blends,
    "response_norm": norms,
    "softmax": softmaxes,
    "function": functions,
}
