"""The folder of a page: what is in it, and which folders it is not written into."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import contents, onnx_model

from edgecnn.errors import SiteNotWritable
from edgecnn.site.write import check_folder, write_site
from edgecnn.web.engines import ASSETS
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact


@pytest.mark.network
def test_the_page_the_network_and_the_engine_with_its_licence_are_in_it(
    onnx_bundle: Path, tmp_path: Path
) -> None:
    site = write_site(onnx_bundle, tmp_path / "site", quiet=True)
    there = {
        str(path.relative_to(site.folder)): path.stat().st_size
        for path in site.folder.rglob("*")
        if path.is_file()
    }
    assert there == site.files
    for file in ASSETS["onnxruntime-web"].files:
        copied = site.folder / "engine" / file.name
        assert hashlib.sha256(copied.read_bytes()).hexdigest() == file.sha256
    licences = (site.folder / "LICENCES.txt").read_text(encoding="utf-8")
    assert "onnxruntime-web 1.30.0 (npm), unchanged" in licences
    assert "Permission is hereby granted, free of charge" in licences
    assert "Apache License" in licences
    settings = json.loads((site.folder / "network.json").read_text(encoding="utf-8"))
    assert settings["model"] == {"file": "model.onnx", "size": there["model.onnx"]}
    assert settings["input"] == {"name": "input", "dtype": "float32", "shape": [None, 3, 4, 4]}
    labels = json.loads((site.folder / "labels.json").read_text(encoding="utf-8"))
    assert labels == ["red", "green", "blue"]


@pytest.mark.network
def test_nothing_but_its_own_scripts_may_run_and_nothing_be_fetched_elsewhere(
    onnx_bundle: Path, tmp_path: Path
) -> None:
    site = write_site(onnx_bundle, tmp_path / "site", quiet=True)
    text = (site.folder / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'content="(default-src [^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-")
    own = ("index.html", "app.js", "network.js", "engines.js", "preprocess.js", "style.css")
    for name in own:
        assert "http" not in (site.folder / name).read_text(encoding="utf-8").replace(
            "http-equiv", ""
        )


@pytest.mark.network
def test_a_bundle_puts_no_script_into_the_page(tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    hostile = replace(
        manifest,
        name="<script>alert(1)</script>\n\x1b[2J",
        artefacts=(Artefact("app.js", "onnx", "fp32"),),
    )
    files["app.js"] = files.pop("model.onnx")
    write_bundle(tmp_path / "hostile.edge", hostile, files)
    site = write_site(tmp_path / "hostile.edge", tmp_path / "site", quiet=True)
    assert "takePhotograph" in (site.folder / "app.js").read_text(encoding="utf-8")
    assert "alert(1)" not in (site.folder / "index.html").read_text(encoding="utf-8")
    readme = (site.folder / "README.txt").read_text(encoding="utf-8")
    assert "with <script>alert(1)</script> \\x1b[2J, made by edgecnn" in readme


@pytest.mark.network
def test_a_page_of_edgecnn_s_is_replaced_as_a_whole(onnx_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_site(onnx_bundle, folder, quiet=True)
    (folder / "model.of.yesterday.onnx").write_bytes(b"old")
    write_site(onnx_bundle, folder, quiet=True)
    assert not (folder / "model.of.yesterday.onnx").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["brightest-onnx.edge", "site"]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    (tmp_path / "thesis.tex").write_text("all of it", encoding="utf-8")
    with pytest.raises(SiteNotWritable, match="holds files that are no page of edgecnn's; name"):
        check_folder(tmp_path)
    with pytest.raises(SiteNotWritable, match="is a file, expected a folder"):
        check_folder(tmp_path / "thesis.tex")


@pytest.mark.network
def test_what_cannot_be_written_is_said_and_leaves_nothing(
    onnx_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(SiteNotWritable, match=r"cannot write the page into .*: file exists"):
        write_site(onnx_bundle, tmp_path / "file" / "site", quiet=True)
