"""Bundles and files made to do harm, given to the command line: one line, no code, no hang."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from e2e.conftest import PHOTOGRAPHS, Run
from e2e.test_bad_input import refusal
from hostile.edited import members_of, write_members
from hostile.names import acts
from onnx import numpy_helper

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact

CAT = PHOTOGRAPHS / "cat.jpg"
# Code for a script of Python, a sequence for a terminal, markup for rich, a line of its own.
EVIL = 'x"""\nopen("INJECTED", "w")\n"""\x1b]0;pwned\x07[/red]\u202e'


def rebuilt(source: Path, path: Path, files: dict[str, bytes], *artefacts: Artefact) -> Path:
    """The bundle with other files and more artefacts, and the digests of these."""
    with Bundle(source) as bundle:
        manifest = bundle.manifest
        own = {name: bundle.read(name) for name in manifest.files}
    manifest = replace(manifest, name=EVIL, artefacts=(*manifest.artefacts, *artefacts))
    write_bundle(path, manifest, own | files)
    return path


def test_labels_act_on_no_terminal(edgecnn: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    labels = "[link=http://evil.example]cat[/link]\n\x1b]0;pwned\x07\x9bmdog\u202e\n"
    path = rebuilt(tiny_bundle, tmp_path / "x.edge", {"labels.txt": labels.encode()})
    for options in ((), ("--json",)):
        ran = edgecnn("run", path, CAT, *options)
        assert ran.returncode == 0, ran.stderr
        assert not acts(ran.stdout + ran.stderr)
        assert "[link=http://evil.example]cat[/link]" in ran.stdout
    classes = json.loads(ran.stdout)["images"][0]["classes"]
    assert {each["label"] for each in classes} == set(labels.removesuffix("\n").split("\n"))


def test_a_name_of_a_node_runs_in_no_script(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    model = onnx.load_from_string(members_of(tiny_bundle)["model.onnx"])
    node = next(each for each in model.graph.node if each.op_type == "Conv")
    node.name = EVIL
    files = {"model.onnx": model.SerializeToString()}
    (bias,) = [each for each in model.graph.initializer if each.name == node.input[2]]
    bias.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(bias), 1), bias.name))
    files["other.onnx"] = model.SerializeToString()
    other = Artefact("other.onnx", "onnx", "fp32")
    path = rebuilt(tiny_bundle, tmp_path / "x.edge", files, other)
    ran = edgecnn("verify", path, "--engine", "onnxruntime", "--reproduce", "cases")
    assert ran.returncode == 3, ran.stderr
    assert not acts(ran.stdout + ran.stderr)
    assert "the bias lies one channel off" in ran.stdout
    case = tmp_path / "cases" / "other.onnx"
    assert json.loads((case / "case.json").read_text())["node"] == EVIL
    script = [sys.executable, "-I", "reproduce.py"]
    assert subprocess.run(script, cwd=case, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert not [*tmp_path.rglob("INJECTED")]


@pytest.mark.parametrize("command", ["run", "verify", "bench"])
@pytest.mark.parametrize("kind", ["golden", "crop", "labels", "npy", "version"])
def test_a_bundle_made_to_do_harm_is_refused_in_one_line(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path, command: str, kind: str
) -> None:
    path = tmp_path / "x.edge"
    members = members_of(tiny_bundle)
    document = json.loads(members["manifest.json"])
    if kind == "golden":
        document["golden"] *= 1000
    elif kind == "crop":
        document["preprocess"]["crop"] = [65_536, 65_536]
    write_members(path, members | {"manifest.json": json.dumps(document).encode()})
    if kind == "labels":
        rebuilt(tiny_bundle, path, {"labels.txt": b""})
    elif kind == "npy":
        stream = io.BytesIO()
        np.savez(stream, x=np.zeros(3))
        rebuilt(tiny_bundle, path, {"golden/0.input.npy": stream.getvalue()})
    elif kind == "version":
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\x01\x02") + 6] = 255
        path.write_bytes(content)
    images = [CAT] if command == "run" else []
    assert "x.edge" in refusal(edgecnn(command, path, *images))


def test_a_pipe_is_not_waited_for_and_a_device_not_replaced(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    for name in ("pipe.png", "pipe.edge"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "null.edge").symlink_to("/dev/null")
    assert "is a named pipe" in refusal(edgecnn("run", tiny_bundle, "pipe.png"))
    assert "it is a named pipe" in refusal(edgecnn("verify", "pipe.png"))
    export = ("export", "lenet5", "--weights", "random", "-o")
    assert "it is a device" in refusal(edgecnn(*export, "null.edge"))
    assert "it is a named pipe" in refusal(edgecnn(*export, "pipe.edge"))
    assert "it is a device" in refusal(edgecnn("bench", tiny_bundle, "-o", "null.edge"))
    assert "its name should end in" in refusal(edgecnn("bench", tiny_bundle, "--plot", "a.xyz"))
    assert (tmp_path / "null.edge").is_symlink()
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)


def test_what_is_typed_wrong_acts_on_no_terminal(edgecnn: Run) -> None:
    typed = "\x1b]0;pwned\x07\u202ex"
    ran: subprocess.CompletedProcess[str]
    for arguments in ((typed,), ("run", typed, "y"), ("export", typed), ("zoo", f"--{typed}")):
        ran = edgecnn(*arguments)
        assert ran.returncode in (1, 2)
        assert not acts(ran.stdout + ran.stderr)
        assert r"\x1b]0;pwned" in ran.stderr
