"""Diagnosis of an artefact's entry in the manifest: layout and encodings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from edgecnn_exporters.diagnose.causes.case import Cause
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE
from edgecnn_runtime.parity.verify import verify_artefact


def diagnose_entry(bundle: Bundle, artefact: Artefact) -> Diagnosis | None:
    """The change of an artefact's entry with which it answers the golden inputs; None for none."""
    kind = next((name for name, e in ENGINES.items() if artefact.format in e.formats), None)
    if kind is None:
        return None
    for other, sentence, fix in _corrections(bundle, artefact):
        try:
            row = verify_artefact(bundle, other, engine_class(kind))
        except EdgeCNNError:
            continue
        if row.verdict in ANSWERS_AS_MADE:
            return Diagnosis(
                node=bundle.manifest.inputs[0].name,
                operator="input",
                candidate="manifest",
                cause=Cause.LAYOUT.value,
                sentence=sentence,
                fix=fix,
                is_confirmed=True,
                isolated=float("inf"),
                after=0.0,
                allowance="the golden answers",
            )
    return None


def _corrections(bundle: Bundle, artefact: Artefact) -> Iterator[tuple[Artefact, str, str]]:
    """Other entries, with the mistake and its correction in words."""
    if artefact.layout == "NHWC":
        sentence = "the manifest gives the layout NHWC, the file reads and writes NCHW"
        yield replace(artefact, layout=None), sentence, "leave the artefact's layout out"
    else:
        sentence = "the manifest gives no layout, which is NCHW; the file reads and writes NHWC"
        yield replace(artefact, layout="NHWC"), sentence, "set the artefact's layout to NHWC"
    if artefact.format == "tflite":
        from edgecnn_exporters.diagnose.tflite.reading import io_encodings

        own = io_encodings(bundle.read_artefact(artefact).model)
        if own != artefact.encodings:
            sentence = (
                f"the manifest gives the encodings {_format(artefact.encodings)}, the file has "
                f"{_format(own)}"
            )
            yield replace(artefact, encodings=own), sentence, f"set the encodings {_format(own)}"


def _format(encodings: Mapping[str, tuple[float, int]]) -> str:
    """Scale and zero point of each input and output, in words."""
    words = (f"{name} {scale:.4g} and {zero}" for name, (scale, zero) in encodings.items())
    return ", ".join(words) or "none"
