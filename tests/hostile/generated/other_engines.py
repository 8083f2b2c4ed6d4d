"""OpenVINO and TFLite artefacts that are damaged, lie about offsets, or expand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hostile.generated.archives import repacked
from hostile.generated.case import Kind, Random, open_and_run, sound
from hostile.generated.manifests import pick

Action = Callable[[], None]
BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "'
    + b"a" * 100
    + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, (b"&%c;" % (97 + i)) * 20) for i in range(8))
    + b"]>"
)


def openvino(random: Random, folder: Path) -> Action:
    document, members = sound("openvino")
    xml, weights = members["model.openvino"], members["model.bin"]
    which = int(random.integers(6))
    if which == 0:
        begin = xml.index(b"<net")
        xml = xml[:begin] + BOMB + xml[begin:].replace(b'name="brightest"', b'name="&i;"', 1)
    elif which == 1:
        begin = xml.index(b"<net")
        entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        xml = xml[:begin] + entity + xml[begin:].replace(b'name="brightest"', b'name="&e;"', 1)
    elif which == 2:
        xml = xml.replace(b'offset="0"', b'offset="%d"' % int(random.integers(1, 1 << 62)), 1)
    elif which == 3:
        weights = weights[: int(random.integers(len(weights)))]
    elif which == 4:
        xml = xml[: int(random.integers(len(xml)))]
    else:
        content = bytearray(xml)
        for _ in range(int(random.integers(1, 4))):
            content[int(random.integers(len(content)))] = int(random.integers(32, 127))
        xml = bytes(content)
    changed = {**members, "model.openvino": xml, "model.bin": weights}
    path = repacked(folder, changed, document)
    return lambda: open_and_run(path, must_refuse=which < 5)


def tflite(random: Random, folder: Path) -> Action:
    document, members = sound("tflite")
    content = bytearray(members["model.tflite"])
    which = int(pick(random, (0, 1, 1, 1)))
    if which == 0:
        del content[int(random.integers(len(content))) :]
    else:
        for _ in range(int(random.integers(1, 4))):
            content[int(random.integers(len(content)))] = int(random.integers(256))
    path = repacked(folder, {**members, "model.tflite": bytes(content)}, document)
    return lambda: open_and_run(path)


KINDS = (
    Kind("openvino: damaged, entities, offsets", openvino, 90),
    Kind("tflite: damaged", tflite, 90),
)
