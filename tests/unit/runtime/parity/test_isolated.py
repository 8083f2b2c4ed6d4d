from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from conftest import contents, fake_model, onnx_model

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verify import verify

# A real engine of a third party, that dies by whatever signal its model names.
DYING_ENGINE = """
import os, signal, sys

class DyingEngine:
    name = "dying"
    formats = frozenset({"dying", "fake"})
    extra = None

    @classmethod
    def is_installed(cls):
        return True

    @classmethod
    def version(cls):
        return "1"

    @classmethod
    def open(cls, model, *, weights=None, threads=None):
        print("about to die")
        sys.stdout.flush()
        if model.startswith(b"SIG"):
            os.kill(os.getpid(), getattr(signal, model.decode()))
        os._exit(7 if model.startswith(b"{") else 0)
"""


@pytest.fixture
def dying_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine above, installed as any other distribution that registers one."""
    site = tmp_path / "site"
    info = site / "dying-1.dist-info"
    info.mkdir(parents=True)
    (site / "dying.py").write_text(DYING_ENGINE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dying\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[edgecnn.engines]\ndying = dying:DyingEngine\n")
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(site), inherited))))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "dying", raising=False)


def write(path: Path, *models: bytes) -> Path:
    """A bundle of the sound fake artefact between others for the dying engine."""
    manifest, files = contents()
    artefacts = list(manifest.artefacts)
    for number, model in enumerate(models):
        files[f"{number}.dying"] = model
        artefacts.insert(number, Artefact(f"{number}.dying", "dying", "fp32"))
    write_bundle(path, replace(manifest, artefacts=tuple(artefacts)), files)
    return path


def named(row: Parity) -> str:
    return "" if row.engine is None else row.engine.label


@pytest.mark.usefixtures("dying_engine")
def test_an_engine_that_dies_is_a_row_and_the_table_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "x.edge", b"SIGSEGV", b"SIGILL", b"SIGABRT", b"SIGKILL", b"quiet")
    shares: list[float] = []
    with Bundle(path) as bundle:
        rows = verify(bundle, ("dying", "fake"), isolated=True, progress=shares.append)
    assert [(row.subject, named(row), row.verdict, row.note) for row in rows[:-3]] == [
        ("0.dying", "dying", "crashed", "the engine died of SIGSEGV"),
        (
            "1.dying",
            "dying",
            "crashed",
            "the engine died of SIGILL (an instruction that this processor lacks)",
        ),
        ("2.dying", "dying", "crashed", "the engine died of SIGABRT"),
        ("3.dying", "dying", "crashed", "the engine died of SIGKILL (out of memory?)"),
        ("4.dying", "dying", "crashed", "the engine ended with exit code 0: nothing on stderr"),
        ("model.fake", "dying", "crashed", "the engine ended with exit code 7: nothing on stderr"),
    ]
    assert [(row.subject, named(row), row.verdict) for row in rows[-3:]] == [
        ("model.fake", "fake 1", "equal"),
        ("preprocessing", "", "equal"),
        ("labels", "", "equal"),
    ]
    assert shares == pytest.approx([n / 7 for n in range(1, 8)])


def test_a_row_from_another_process_is_the_row_from_this_one(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x.edge", *contents("onnx", onnx_model()))
    with Bundle(tmp_path / "x.edge") as bundle:
        assert verify(bundle, isolated=True) == verify(bundle)


def test_the_agent_verifies_a_row_an_artefact_and_engine(tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    artefacts = (*manifest.artefacts, Artefact("second.fake", "fake", "fp16"))
    files["second.fake"] = fake_model().replace(b'"scale": 2.0', b'"scale": 3.0')
    write_bundle(tmp_path / "x.edge", replace(manifest, artefacts=artefacts), files)

    def rows(*options: str) -> list[tuple[str, str]]:
        ran = subprocess.run(
            [sys.executable, "-m", "edgecnn_runtime", "verify", tmp_path / "x.edge", *options],
            capture_output=True,
            text=True,
            check=True,
        )
        events = [json.loads(line) for line in ran.stdout.splitlines()]
        assert {event["event"] for event in events} <= {"row"}
        return [(event["subject"], event["verdict"]) for event in events]

    both = [("model.onnx", "equal"), ("second.fake", "differs")]
    assert rows() == both
    assert rows("--engine", "onnxruntime") == both[:1]
    assert rows("--precision", "fp16") == both[1:]
    assert rows("--artefact", "second.fake") == both[1:]


def test_the_agent_names_the_artefacts_there_are(bundle: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "edgecnn_runtime", "verify", bundle, "--precision", "int8"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "no such artefact; it has model.fake (fp32)" in ran.stderr


def test_a_missing_engine_is_skipped_with_what_installs_it(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x.edge", *contents("onnx", onnx_model()))
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from edgecnn_runtime.agent import main; main(sys.argv[1:])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "verify", tmp_path / "x.edge"],
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = map(json.loads, ran.stdout.splitlines())
    assert (row["verdict"], row["difference"]) == ("skipped", None)
    assert row["note"].startswith("not installed, ")
    assert row["note"].endswith("pip install 'edgecnn[onnxruntime]'")
    assert ran.stderr == ""


def test_rows_hold_what_the_table_shows(bundle: Path) -> None:
    with Bundle(bundle) as opened:
        row = asdict(verify(opened)[0])
    assert row["steps"] is None
    assert row["difference"]["top1_agreement"] == 1
    low, high = row["difference"]["top1_interval"]
    assert (low, high) == pytest.approx((0.2065, 1.0), abs=1e-4)  # Wilson's for 1 of 1
