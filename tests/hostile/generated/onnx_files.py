"""ONNX artefacts that read files, run for ever, ask for memory, or are damaged."""

from __future__ import annotations

import contextlib
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
from hostile.generated.archives import repacked
from hostile.generated.case import (
    EdgeCNNError,
    Kind,
    Random,
    WronglyLoaded,
    command,
    open_and_run,
    sound,
    verified,
)
from hostile.generated.manifests import pick
from onnx import TensorProto, helper, numpy_helper

Action = Callable[[], None]
SECRET = np.array([40.0, 41.0, 42.0], np.float32).tobytes()
LENGTH, VARINT = 2, 0


def packed(folder: Path, model: bytes) -> Path:
    document, members = sound()
    return repacked(folder, {**members, "model.onnx": model}, document)


def varint(number: int, size: int = 1, high: int = 0) -> bytes:
    """A number in base 128; overlong where `size` asks for more bytes; `high` are bits above it."""
    number |= high
    out = bytearray()
    while number > 0x7F or len(out) < size - 1:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, payload: bytes, size: int = 1, high: int = 0) -> bytes:
    """A field of bytes; its key overlong, or with bits that a 32-bit reader drops."""
    return varint(number << 3 | LENGTH, size, high) + varint(len(payload)) + payload


def external(location: str, random: Random) -> bytes:
    """A tensor ``w`` of three floats whose numbers lie in a file of the machine."""
    size = int(random.integers(1, 6))
    high = int(pick(random, (0, 0, 1 << 32, 1 << 33, 7 << 32)))
    entry = field(1, b"location") + field(2, location.encode())
    body = varint(1 << 3) + varint(3) + varint(2 << 3) + varint(TensorProto.FLOAT)
    body += field(8, b"w") + field(13, entry, size, high)
    place = varint(14 << 3, size, high) + varint(1)
    return body + place if random.random() < 0.5 else place + body


def outside(random: Random, folder: Path) -> Action:
    """External data, plain or hidden, by any path, in any place where a tensor may stand."""
    (folder / "secret.bin").write_bytes(SECRET)
    (folder / "link.bin").symlink_to(folder / "secret.bin")
    inner = folder / "inner"
    inner.mkdir()
    location = str(
        pick(
            random,
            (
                *("secret.bin", "./secret.bin", "../" + folder.name + "/secret.bin", "link.bin"),
                *(
                    str(folder / "secret.bin"),
                    "inner/../secret.bin",
                    "/etc/passwd",
                    "/proc/self/environ",
                ),
            ),
        )
    )
    tensor = external(location, random)
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> '
        "g (float[N, 3, 4, 4] input) => (float[N, 3] logits) "
        "{ pooled = GlobalAveragePool(input) flat = Flatten<axis = 1>(pooled) "
        "logits = Add(flat, w) }"
    )
    graph = model.graph.SerializeToString()
    size, high = int(random.integers(1, 6)), int(pick(random, (0, 1 << 32)))
    if random.random() < 0.5:
        body = graph + field(5, tensor, size, high)
        rest = onnx.ModelProto()
        rest.CopyFrom(model)
        rest.ClearField("graph")
        content = rest.SerializeToString() + field(7, body, size, high)
    else:
        # A message that is given twice is merged.
        content = model.SerializeToString() + field(7, field(5, tensor, size, high), size, high)
    path = packed(folder, content)

    def use() -> None:
        os.chdir(folder)
        open_and_run(path, must_refuse=True)

    return use


LOOPS = """<ir_version: 8, opset_import: ["" : 18]>
g (float[N, 3, 4, 4] input) => (float[N, 3] logits)
<int64 count = {{{count}}}, float zero = {{0.0}}, bool yes = {{1}}> {{
    spun = Loop (count, yes, zero) <body = body (int64 i, bool c, float s) => (bool d, float t)
        {{ d = Identity(c) t = Add(s, zero) }}>
    pooled = GlobalAveragePool(input)
    flat = Flatten<axis = 1>(pooled)
    logits = Add(flat, spun)
}}"""
LARGE = """<ir_version: 8, opset_import: ["" : 18]>
g (float[N, 3, 4, 4] input) => (float[N, 3] logits)
<int64[{rank}] shape = {{{shape}}}, float zero = {{0.0}}> {{
    {large}
    most = ReduceMax<keepdims = 0>(large)
    pooled = GlobalAveragePool(input)
    flat = Flatten<axis = 1>(pooled)
    none = Mul(most, zero)
    logits = Add(flat, none)
}}"""


def for_ever(random: Random, folder: Path) -> Action:
    count = int(pick(random, (2**62, 2**40, 2**34)))
    model = onnx.parser.parse_model(LOOPS.format(count=count))
    path = packed(folder, model.SerializeToString())
    return _either(random, path)


def _either(random: Random, path: Path) -> Action:
    if random.random() < 0.5:
        return lambda: open_and_run(path, must_refuse=True)
    return lambda: command("verify", path, "-q", "--engine", "onnxruntime")


def too_large(random: Random, folder: Path) -> Action:
    extent = int(random.integers(1 << 29, 1 << 33))
    kind = int(random.integers(3))
    if kind == 0:
        text = LARGE.format(rank=1, shape=extent, large="large = ConstantOfShape(shape)")
    elif kind == 1:
        text = LARGE.format(rank=1, shape=extent, large="large = Expand(zero, shape)")
    else:
        side = int(extent**0.5)
        text = LARGE.format(
            rank=4, shape=f"1, 1, {side}, {side}", large="large = Tile(input, shape)"
        )
    path = packed(folder, onnx.parser.parse_model(text).SerializeToString())
    return _either(random, path)


def other_doors(random: Random, folder: Path) -> Action:
    """Operators of other domains, contexts of other engines, functions that call themselves."""
    domain, operator, attributes = pick(
        random,
        (
            ("com.microsoft", "EPContext", {"ep_cache_context": "/etc/passwd", "embed_mode": 0}),
            ("evil", "Read", {"path": "/etc/passwd"}),
            ("ai.onnx.contrib", "PyOp", {"module": "os"}),
            ("com.microsoft", "DecoderAttention", {}),
            ("", "If", {}),
        ),
    )
    model = onnx.load_from_string(sound()[1]["model.onnx"])
    node = helper.make_node(operator, ["input"], ["extra"], domain=domain, **attributes)
    model.graph.node.insert(0, node)
    model.graph.output.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, None))
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    path = packed(folder, model.SerializeToString())
    return lambda: open_and_run(path, must_refuse=True)


def damaged(random: Random, folder: Path) -> Action:
    content = bytearray(sound()[1]["model.onnx"])
    if random.random() < 0.3:
        del content[int(random.integers(len(content))) :]
    else:
        for _ in range(int(random.integers(1, 4))):
            content[int(random.integers(len(content)))] = int(random.integers(256))
    path = packed(folder, bytes(content))

    def use() -> None:
        try:
            open_and_run(path)
        except WronglyLoaded:
            # Other numbers are another network; that it is not the one is for verify to say.
            verified(path)
            raise

    return use


def other_interface(random: Random, folder: Path) -> Action:
    """A network whose inputs and outputs are not those that the manifest describes."""
    model: Any = onnx.load_from_string(sound()[1]["model.onnx"])
    which = int(random.integers(5))
    if which == 0:
        model.graph.input[0].name = "other"
        model.graph.node[0].input[0] = "other"
    elif which == 1:
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    elif which == 2:
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5
    elif which == 3:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    else:
        model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    path = packed(folder, model.SerializeToString())
    return lambda: open_and_run(path, must_refuse=True)


def exported(random: Random, folder: Path) -> Action:
    """A damaged or hostile ONNX file that is exported."""
    content = bytearray(sound()[1]["model.onnx"])
    for _ in range(int(random.integers(1, 6))):
        content[int(random.integers(len(content)))] = int(random.integers(256))
    path = folder / "other.onnx"
    path.write_bytes(content)

    def use() -> None:
        os.chdir(folder)
        command("export", path, "--preprocess", "unit", "-o", "out.edge", "-q")

    return use


def name_is_code(random: Random, folder: Path) -> Action:
    """Names of nodes that would be code, markup or paths, in a network that verify finds wrong."""
    model = onnx.load_from_string(sound()[1]["model.onnx"])
    evil = pick(
        random,
        (
            'x"""\nopen("INJECTED", "w").write("ran")\n"""',
            "'); open('INJECTED','w').write('ran'); ('",
            "\\",
            "../../INJECTED",
            "[/red]",
            "\x1b[31m",
            "\u202e",
            "{0.__class__}",
            "a" * 100_000,
        ),
    )
    for node in model.graph.node:
        node.name = str(evil)
    for each in model.graph.initializer:
        array = numpy_helper.to_array(each) + np.float32(1)
        each.CopyFrom(numpy_helper.from_array(array, each.name))
    path = packed(folder, model.SerializeToString())

    def use() -> None:
        os.chdir(folder)
        try:
            command("verify", path, "-q", "--engine", "onnxruntime", "--reproduce", "repro")
        except EdgeCNNError:
            pass
        else:
            raise WronglyLoaded("verify passes other numbers")
        for script in Path("repro").rglob("reproduce.py"):
            os.chdir(script.parent)
            with contextlib.suppress(SystemExit, AssertionError):
                runpy.run_path("reproduce.py", run_name="__main__")
        if list(folder.rglob("INJECTED")):
            raise WronglyLoaded("code of the bundle ran")
        raise EdgeCNNError("found to be wrong, and nothing ran")

    return use


KINDS = (
    Kind("onnx: external data", outside, 160),
    Kind("onnx: loops for ever", for_ever, 10),
    Kind("onnx: asks for memory", too_large, 20),
    Kind("onnx: other doors", other_doors, 20),
    Kind("onnx: damaged", damaged, 150),
    Kind("onnx: another interface", other_interface, 30),
    Kind("onnx: exported, damaged", exported, 60),
    Kind("onnx: names that are code", name_is_code, 30),
)
