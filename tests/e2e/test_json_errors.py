"""Errors as JSON: one document on stdout, one line on stderr, the exit code of the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e.conftest import Run

KEPT = Path(__file__).parents[1] / "data/bundles"
LENET = KEPT / "lenet5.edge"


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        (("verify", "none.edge"), "BundleUnreadable", 1),
        (("run", "none.edge", "cat.jpg"), "EdgeCNNError", 1),
        (("bench", LENET, "--device", "none"), "UnknownDevice", 1),
        (("evaluate", LENET, "--data", "none"), "DataUnreadable", 1),
        (("zoo", "none"), "UnknownModel", 1),
        (("devices", "show", "none"), "UnknownDevice", 1),
        (("devices", "remove", "none"), "DeviceConfigInvalid", 1),
        (("export", "lenet5", "-o", "none/net.edge"), "OutputNotWritable", 1),
        (("train", "lenet5", "--data", "none"), "DataUnreadable", 1),
        (("compile", "none.edge", "--for", "mcu"), "BundleUnreadable", 1),
        (("doctor", "--device", "none"), "UnknownDevice", 1),
        (("verify",), "UsageError", 2),
        (("verify", "--non"), "UsageError", 2),
        (("exprot", "lenet5"), "UsageError", 2),
        (("bench", LENET, "--device", "rpi5-emulated", "--sustained", "1m"), "OptionsRefused", 2),
    ],
    ids=lambda words: " ".join(map(str, words[:2])) if isinstance(words, tuple) else str(words),
)
def test_an_error_is_a_document_on_stdout(
    edgecnn: Run, arguments: tuple[str | Path, ...], error: str, code: int
) -> None:
    ran = edgecnn(*arguments, "--json")
    document = json.loads(ran.stdout)
    assert document["schema"] == "edgecnn.error/1"
    assert (document["error"], document["exit_code"], ran.returncode) == (error, code, code)
    assert " ".join(document["message"].split()) in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


def test_without_json_stdout_stays_empty(edgecnn: Run) -> None:
    assert edgecnn("verify", "none.edge").stdout == ""


def test_a_weak_network_is_a_document_of_exit_code_6(edgecnn: Run) -> None:
    own = ("export", "lenet5", "--weights", "mnist", "--quantize", "int8", "--samples", "8")
    ran = edgecnn(*own, "--min-agreement", "1", "-o", "net.edge", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["exit_code"]) == (6, 6)


def test_an_image_that_cannot_be_read_is_named_in_the_document(edgecnn: Run) -> None:
    ran = edgecnn("run", LENET, "none.png", "--engine", "onnxruntime", "--json")
    document = json.loads(ran.stdout)
    assert (ran.returncode, document["schema"], document["images"]) == (1, "edgecnn.run/1", [])
    assert "none.png" in document["failures"][0]
