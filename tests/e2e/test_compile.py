"""``edgecnn compile`` from a trained checkpoint: an NPU file and a firmware, a command each."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from e2e.conftest import EDGECNN, Run
from e2e.fork_server import ForkServer
from shared import once

from edgecnn_exporters.targets.mcu.interpreter import TFLM
from edgecnn_exporters.targets.npu.ethos_u.vela import VELA
from edgecnn_exporters.targets.profile import target_profiles
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle

pytestmark = pytest.mark.skipif(
    VELA.version() is None or TFLM.version() is None,
    reason="ethos-u-vela or tflite-micro is not installed: pip install 'edgecnn[ethos-u,mcu]'",
)


KEPT = Path(__file__).parents[1] / "data/bundles"
OPTIONS = ("--weights", "mnist", "--quantize", "int8", "--recipe", "fast", "--no-measure")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """LeNet-5 in 8 bits, trained on MNIST, exported once."""

    def make(folder: Path) -> Path:
        command = ["export", "lenet5", *OPTIONS, "-o", "lenet5.edge"]
        ran = fork_server.run(EDGECNN, command, folder, os.environ)
        assert ran.returncode == 0, ran.stderr
        return folder / "lenet5.edge"

    return once(tmp_path_factory, "lenet5_int8", make)


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported, tmp_path))


def test_targets_are_added_with_the_kind_of_their_proof_and_proven_again(
    edgecnn: Run, bundle: Path
) -> None:
    ran = edgecnn("compile", bundle, "--for", "ethos-u55-128,mcu")
    assert ran.returncode == 0, ran.stderr
    assert "written: " in ran.stdout
    with Bundle(bundle) as opened:
        own = {each.target: each for each in opened.manifest.artefacts}
        vela = own["ethos-u55-128"]
        assert (vela.path, vela.proof) == ("npu/ethos-u55-128/model_vela.tflite", "estimated")
        assert (own["mcu"].path, own["mcu"].proof) == ("mcu/model.tflite", "exact")
        qdq = next(each for each in opened.manifest.artefacts if each.precision == "int8")
        assert vela.graph == qdq.graph
        report = json.loads(opened.read(str(vela.report)))
    assert report["cycles"] > 0
    verified = edgecnn("verify", bundle, "--json")
    assert verified.returncode == 0, verified.stdout
    rows = {row["subject"]: row for row in json.loads(verified.stdout)["rows"] if row["proof"]}
    assert rows["mcu/model.tflite"]["proof"] == "exact"


def test_a_compiled_file_of_another_graph_is_told_in_its_row(edgecnn: Run, bundle: Path) -> None:
    assert edgecnn("compile", bundle, "--for", "mcu").returncode == 0
    with Bundle(bundle) as opened:
        files = {path: opened.read(path) for path in opened.manifest.files}
        artefacts = [
            replace(each, graph="0" * 64) if each.target else each
            for each in opened.manifest.artefacts
        ]
        manifest = replace(opened.manifest, artefacts=tuple(artefacts))
    write_bundle(bundle, manifest, files)
    ran = edgecnn("verify", bundle)
    assert ran.returncode == 3
    assert "compiled from another graph than the bundle's" in " ".join(ran.stdout.split())
    assert edgecnn("verify", bundle, "--no-compiled", "--json").stdout.count('"exact"') == 0


def test_more_artefacts_than_a_reader_takes_are_refused_before_any_compiler_runs(
    edgecnn: Run, bundle: Path
) -> None:
    names = [name for name in target_profiles() if name != "web"][:31]
    ran = edgecnn("compile", bundle, "--for", ",".join(names))
    assert ran.returncode == 1
    assert "would hold 33 artefacts, 32 are allowed" in ran.stderr


def test_compiling_again_replaces_the_target_and_keeps_the_rest(edgecnn: Run, bundle: Path) -> None:
    edgecnn("compile", bundle, "--for", "mcu")
    first = bundle.read_bytes()
    assert edgecnn("compile", bundle, "--for", "mcu").returncode == 0
    assert bundle.read_bytes() == first, "the same compiler, the same bytes"
    other = bundle.with_name("other.edge")
    assert edgecnn("compile", bundle, "--for", "ethos-u65-256", "-o", other).returncode == 0
    assert bundle.read_bytes() == first
    with Bundle(other) as opened:
        targets = {each.target for each in opened.manifest.artefacts}
    assert {"mcu", "ethos-u65-256"} <= targets


def test_a_firmware_folder_is_written_in_one_command(edgecnn: Run, bundle: Path) -> None:
    before, folder = bundle.read_bytes(), bundle.with_name("firmware")
    ran = edgecnn("compile", bundle, "--for", "mcu", "-o", folder)
    assert ran.returncode == 0, ran.stderr
    assert bundle.read_bytes() == before
    names = {path.name for path in folder.iterdir()}
    assert "main.cpp" in names
    assert any(name.endswith(".h") for name in names)


def test_export_takes_a_compile_target(edgecnn: Run, tmp_path: Path) -> None:
    path = tmp_path / "one.edge"
    ran = edgecnn("export", "lenet5", *OPTIONS, "--target", "tflite,ethos-u55-128", "-o", path)
    assert ran.returncode == 0, ran.stderr
    assert "ethos-u55-128 by ethos-u-vela" in ran.stdout
    with Bundle(path) as opened:
        assert "ethos-u55-128" in {each.target for each in opened.manifest.artefacts}


MISTAKES = [
    (("--for", "ethos-u55"), 2, "no compile target is called 'ethos-u55'; did you mean"),
    (("--for", ""), 2, "--for TARGET is missing"),
    (("--for", "web"), 1, "web is a page in a folder, not a part of a bundle: -o site/"),
    (("--for", "mcu,ethos-u55-128", "-o", "both"), 1, "mcu, ethos-u55-128 go into a bundle"),
    (("--for", "mcu", "--accept-licence", "nope"), 2, "no compiler has a package 'nope'"),
    (("--for", "ethos-u55-128", "-o", "folder"), 1, "-o NAME.edge"),
]


def test_another_network_s_bundle_is_replaced_only_with_force(edgecnn: Run, bundle: Path) -> None:
    other = Path(shutil.copy(KEPT / "two_outputs.edge", bundle.with_name("other.edge")))
    before, typed = other.read_bytes(), ("compile", bundle, "--for", "mcu", "-o", other)
    ran = edgecnn(*typed)
    assert ran.returncode == 1
    assert "other.edge is a bundle of two_outputs, not of lenet5; give --force" in ran.stderr
    assert other.read_bytes() == before
    assert edgecnn(*typed, "--force").returncode == 0
    with Bundle(other) as opened:
        assert opened.manifest.name == "lenet5"


@pytest.mark.parametrize(("options", "code", "says"), MISTAKES)
def test_a_mistake_is_answered_in_a_line(
    edgecnn: Run, bundle: Path, options: tuple[str, ...], code: int, says: str
) -> None:
    before = bundle.read_bytes()
    ran = edgecnn("compile", bundle, *options)
    assert ran.returncode == code
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert bundle.read_bytes() == before


def test_a_bundle_without_int8_says_how_to_get_it(edgecnn: Run, tiny_bundle: Path) -> None:
    ran = edgecnn("compile", tiny_bundle, "--for", "mcu", "-o", "x.edge")
    assert ran.returncode == 1
    assert "--quantize int8" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_plan_runs_nothing_and_the_list_names_licences(edgecnn: Run, bundle: Path) -> None:
    before = bundle.read_bytes()
    planned = edgecnn("compile", bundle, "--for", "ethos-u55-128", "--dry-run")
    assert planned.returncode == 0
    assert f"\nethos-u-vela               {VELA.version()}\n" in planned.stdout
    refused = edgecnn(
        "compile", bundle, "--for", "htp-v73", "--dry-run", EDGECNN_ACCEPT_LICENCES=""
    )
    assert "its licence is not accepted: " in refused.stdout
    planned = edgecnn(
        "compile", bundle, "--for", "ethos-u55-128", "-o", "UP.EDGE", "--dry-run", "--json"
    )
    document = json.loads(planned.stdout)
    assert document["packages"]["ethos-u-vela"]["version"] == VELA.version()
    assert (list(document["targets"]), document["writes"]) == (["ethos-u55-128"], "UP.EDGE")
    assert bundle.read_bytes() == before
    listed = edgecnn("compile", "--list", COLUMNS="80")
    assert listed.returncode == 0
    assert "Apache-2.0" in listed.stdout
    # A command that installs stays whole, to be copied; it may begin with the path of Python.
    assert all(
        len(line) <= 80 or " install " in line or sys.prefix in line
        for line in listed.stdout.splitlines()
    )
    assert "tosa-converter-for-tflite " in listed.stdout
