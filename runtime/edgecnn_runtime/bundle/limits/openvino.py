"""Static limits of an OpenVINO artefact: XML entities, loops, constants outside the weights.

The IR is walked as XML by expat, which is part of Python. docs.openvino.ai documents the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

from edgecnn_runtime.errors import BundleUnreadable, ExternalData, OverBudget

# A network of 10,000 layers has about 200,000 elements.
MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 64
BEGINNINGS = (b"<?xml", b"<net")
_LOOPS = frozenset({"Loop", "TensorIterator"})


def refuse_unsafe_openvino(model: bytes, weights: bytes | None, name: str) -> None:
    """Refuse an OpenVINO IR that refers to something outside itself, or loops.

    Raises:
        ExternalData: it has a document type, an inclusion, an operator of an extension, or a
            constant outside the weights file.
        OverBudget: it has a loop, or far more elements than a network.
        BundleUnreadable: the bytes are no XML.
    """
    if not model.lstrip().startswith(BEGINNINGS):
        raise BundleUnreadable(f"{name} is not an OpenVINO IR, which is XML in UTF-8")
    try:
        _Limits(name, 0 if weights is None else len(weights)).check(model)
    except (expat.ExpatError, ValueError) as error:
        raise BundleUnreadable(f"{name} is not an OpenVINO IR: {error}") from error


class _Limits:
    def __init__(self, name: str, weights_size: int) -> None:
        self._name = name
        self._weights_size = weights_size
        self._elements = 0
        self._depth = 0

    def check(self, model: bytes) -> None:
        # One encoding: OpenVINO's reader ignores what the declaration says.
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        parser.Parse(model, True)

    def _doctype(self, *_: object) -> None:
        raise ExternalData(f"{self._name} has a document type, which may define entities")

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise OverBudget(
                f"{self._name} has more than {MAX_ELEMENTS:,} elements, or some nested deeper "
                f"than {MAX_DEPTH}"
            )
        if ":" in tag:
            raise ExternalData(f"{self._name} has the element {tag}; an IR has no namespaces")
        if tag == "layer":
            self._check_layer(attributes)
        elif tag == "data" and "offset" in attributes:
            self._check_data(attributes)

    def _end(self, _: str) -> None:
        self._depth -= 1

    def _check_layer(self, attributes: Mapping[str, str]) -> None:
        kind, version = attributes.get("type", ""), attributes.get("version", "")
        if kind in _LOOPS:
            raise OverBudget(
                f"{self._name} has the layer {kind}, which repeats a part of the network an "
                "unknown number of times"
            )
        if version and not version.startswith("opset"):
            raise ExternalData(
                f"{self._name} has a layer {kind} of {version!r}, whose code is outside the bundle"
            )

    def _check_data(self, attributes: Mapping[str, str]) -> None:
        offset, size = int(attributes["offset"]), int(attributes.get("size", 0))
        if offset < 0 or size < 0 or offset + size > self._weights_size:
            raise ExternalData(
                f"{self._name} has a constant of {size} bytes at {offset}; its weights file has "
                f"{self._weights_size}"
            )
