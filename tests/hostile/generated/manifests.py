"""Bundles whose manifest lies, is no JSON, or asks for too much."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile.generated.archives import listed, pack, repacked, write
from hostile.generated.case import (
    IMAGE,
    Document,
    Kind,
    Members,
    Random,
    WronglyLoaded,
    command,
    open_and_run,
    sound,
    verified,
)

Action = Callable[[], None]
# What is put in the place of any value.
VALUES: tuple[Any, ...] = (
    *(
        None,
        "",
        [],
        {},
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        2**70,
        1e308,
        -0.5,
        math.nan,
        math.inf,
    ),
    *(
        "[/red]",
        "\x1b[31m",
        "../x",
        "a" * 70_000,
        "\ud800",
        "\u202e",
        [[]],
        {"": None},
        [None] * 99,
    ),
)
TEXTS = (
    "[/]",
    "[/red]",
    "[link=http://evil.example]cat[/link]",
    "\x1b]0;pwned\x07",
    "\x1b[31mred",
    "\u202egnp.exe",
    "\u2066cat\u2069",
    "\x9b31m",
    "a\rb",
    "a\nb",
    "a" * 100_000,
    "\x00",
    "[bold",
    "\\[x]",
)


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values within a JSON value."""
    keys: Any = ()
    if isinstance(value, dict):
        keys = value
    elif isinstance(value, list):
        keys = range(len(value))
    return [path for key in keys for path in ((*before, key), *places(value[key], (*before, key)))]


def put(document: Document, path: tuple[Any, ...], value: Any) -> None:
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


def pick(random: Random, choices: Any) -> Any:
    return choices[int(random.integers(len(choices)))]


def engine_of(random: Random) -> str:
    return str(pick(random, ("onnxruntime", "tflite", "openvino")))


def another_value(random: Random, folder: Path) -> Action:
    document, members = sound(engine_of(random))
    document["files"] = listed(members)
    put(document, pick(random, places(document)), pick(random, VALUES))
    path = write(folder, pack(document, members))
    return lambda: open_and_run(path)


def no_value(random: Random, folder: Path) -> Action:
    document, members = sound(engine_of(random))
    document["files"] = listed(members)
    *path, last = pick(random, places(document))
    place: Any = document
    for key in path:
        place = place[key]
    del place[last]
    return _opened(write(folder, pack(document, members)))


def _opened(path: Path) -> Action:
    return lambda: open_and_run(path)


def no_json(random: Random, folder: Path) -> Action:
    document, members = sound()
    document["files"] = listed(members)
    text = json.dumps(document)
    deep = int(random.integers(2_000, 400_000))
    raw = pick(
        random,
        (
            b"",
            b"\xff\xfe" + text.encode("utf-16-le"),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode() + b"}",
            text[: len(text) // 2].encode(),
            text.replace("brightest", "\xe9").encode("latin-1"),
            b"[" * deep,
            b"[" * deep + b"]" * deep,
            text.replace('"name": "brightest"', '"name": ' + "[" * deep + "]" * deep).encode(),
            text.replace('"brightest"', "9" * 100_000).encode(),
            b"1" + b"0" * 5_000,
            b"null",
            b"NaN",
            text.replace('"schema"', '"schema": "edgecnn.bundle/1", "schema"').encode(),
        ),
    )
    path = write(folder, pack(raw, members))
    harmless = raw.startswith(b"\xef\xbb\xbf")
    return lambda: open_and_run(path, must_refuse=not harmless)


def named_twice(random: Random, folder: Path) -> Action:
    """The same key twice in one object: which one counts depends on the reader."""
    document, members = sound()
    document["files"] = listed(members)
    text = json.dumps(document)
    key = pick(random, ("artefacts", "files", "name", "outputs", "golden", "path", "sha256"))
    at = text.index(f'"{key}"')
    path = write(folder, pack(f'{text[:at]}"{key}": "other", {text[at:]}'.encode(), members))
    return lambda: open_and_run(path, must_refuse=True)


def repeated(random: Random, folder: Path) -> Action:
    document, members = sound()
    key = pick(random, ("golden", "artefacts", "inputs", "outputs"))
    document[key] = document[key] * int(random.integers(50_000, 150_000))
    path = repacked(folder, members, document)
    return lambda: open_and_run(path, must_refuse=key != "golden")


def labels(random: Random, folder: Path) -> Action:
    document, members = sound()
    members["labels.txt"] = pick(
        random,
        (
            *(b"", b"\n", b"red\n", b"a\nb\nc\nd\n", b"x\n" * 1_000_000, b"\xe9\n" * 3),
            *(b"a\n\nb\nc\n", b"red\ngreen\nblue\nbackground\n", b"\xff\xfea\x00\n\x00"),
        ),
    )
    path = repacked(folder, members, document)
    return lambda: open_and_run(path, must_refuse=True)


def text_on_a_terminal(random: Random, folder: Path) -> Action:
    """Text that would steer a terminal or a table, in every place that is printed."""
    document, members = sound()
    text = str(pick(random, TEXTS))
    place = int(random.integers(7))
    if place == 0:
        members["labels.txt"] = f"{text}\ngreen\nblue\n".encode(errors="replace")
    elif place == 1:
        document["name"] = text
    elif place == 2:
        document["artefacts"][0]["precision"] = text
    elif place == 3:
        document["provenance"] = {text: text, "command": text}
    elif place == 4:
        document["inputs"][0]["name"] = text
        document["golden"][0]["inputs"] = {text: "golden/0.input.npy"}
    elif place == 5:
        document["outputs"][0]["name"] = text
        document["golden"][0]["outputs"] = {text: "golden/0.output0.npy"}
    else:
        document["artefacts"][0]["proof"] = text
    path = repacked(folder, members, document)
    picture = _picture(folder)
    what = pick(random, (["run", path, picture], ["verify", path, "-q"]))
    return lambda: command(*what, *(["--engine", "onnxruntime"]))


def _picture(folder: Path) -> Path:
    from PIL import Image

    Image.fromarray(IMAGE).save(folder / "red.png")
    return folder / "red.png"


def preprocessing(random: Random, folder: Path) -> Action:
    """Preprocessing that asks for memory, or does not make what the network reads."""
    document, members = sound()
    spec = document["preprocess"]
    large = int(random.integers(10_000, 70_000))
    edit: dict[str, Any] = pick(
        random,
        (
            *(
                {"crop": [large, large]},
                {"resize": [large, large]},
                {"resize": large, "crop": None},
            ),
            *(
                {"crop": [0, 4]},
                {"crop": [-4, 4]},
                {"resize": [4]},
                {"resize": 0},
                {"crop": [5, 4]},
            ),
            *(
                {"scale": 0},
                {"scale": math.nan},
                {"scale": 1e39},
                {"scale": -1e308},
                {"std": [0, 1, 1]},
            ),
            *({"mean": [0.0]}, {"std": [1.0] * 4}, {"mean": [math.inf] * 3}, {"layout": "NHWC"}),
            *({"filter": "none"}, {"colour": "CMYK"}, {"resize": [1, 1]}, {"resize": [8, 4]}),
        ),
    )
    spec.update(edit)
    path = repacked(folder, members, document)
    return lambda: open_and_run(path, must_refuse=True)


def vouches_for_itself(random: Random, folder: Path) -> Action:
    """An artefact of other weights that brings a tolerance of its own: verify must not pass it."""
    from onnx import load_from_string, numpy_helper

    document, members = sound()
    model = load_from_string(members["model.onnx"])
    for each in model.graph.initializer:
        array = numpy_helper.to_array(each) + float(random.uniform(1, 9))
        each.CopyFrom(numpy_helper.from_array(array.astype("float32"), each.name))
    members["model.onnx"] = model.SerializeToString()
    own = {"sqnr_db": float(random.uniform(-200, 5)), "proof": "measured"}
    document["artefacts"][0].update(own)
    if random.random() < 0.5:
        document["artefacts"][0]["precision"] = pick(random, ("fp16", "int8"))
    path = repacked(folder, members, document)

    def verify() -> None:
        verified(path)
        raise WronglyLoaded("verify passes another network's weights")

    return verify


def files_swapped(random: Random, folder: Path) -> Action:
    """Files in one another's place, with digests that are right."""
    document, members = sound()
    names: list[str] = sorted(members)
    one, other = (names[int(i)] for i in random.choice(len(names), 2, replace=False))
    changed: Members = {**members, one: members[other], other: members[one]}
    path = repacked(folder, changed, document)
    return lambda: open_and_run(path)


KINDS = (
    Kind("manifest: another value", another_value, 300),
    Kind("manifest: a value missing", no_value, 90),
    Kind("manifest: no JSON, or too deep", no_json, 70),
    Kind("manifest: a key twice", named_twice, 20),
    Kind("manifest: lists of 100,000", repeated, 12),
    Kind("manifest: files swapped", files_swapped, 25),
    Kind("labels: other numbers, no UTF-8", labels, 40),
    Kind("text: escapes, markup, bidi", text_on_a_terminal, 120),
    Kind("preprocessing: does not fit", preprocessing, 80),
    Kind("verify: vouches for itself", vouches_for_itself, 20),
)
