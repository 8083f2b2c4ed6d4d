"""Bundles with faults: each artefact is judged by what answers the golden inputs itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from parity.faults.bundles import (
    EVERY,
    LABELS,
    PATHS,
    SPEC,
    Artefacts,
    Plant,
    answers,
    examine,
    write_probe,
)
from parity.faults.kinds import KINDS, Kind, reals, set_reals
from parity.faults.probe import float_graph

from edgecnn.verify.diagnose import RowDiagnosis
from edgecnn.verify.search import find_causes
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.parity.verify import verify

FLOAT, INT8 = ("onnx", "fp32"), ("onnx", "int8")
BY_TITLE = {kind.title: kind for kind in KINDS}
OF_FLOAT = [kind for kind in KINDS if "fp32" in kind.precisions]
SLOPE, DILATION = BY_TITLE["slope of LeakyReLU"], BY_TITLE["dilation dropped"]
# The gate's output is too small a part of the join for 8 bits to show its axis in the scores.
SEEN = [kind for kind in OF_FLOAT if kind.title != "softmax over another axis"]


def roll(layer: str, source: str) -> Plant:
    """A bias one channel off."""

    def plant(model: ir.Model) -> None:
        set_reals(model, f"{layer}_b", np.roll(reals(model, f"{layer}_b"), 1), source)

    return plant


ROLL_GROUPS, ROLL_LAST = roll("groups", "norm_relu"), roll("last", "join")


def check(found: Mapping[str, RowDiagnosis], path: str, kind: Kind) -> None:
    """That a row's diagnosis locates and names a kind of fault."""
    diagnosis = found[path].diagnosis
    assert diagnosis is not None, found[path].reason
    assert re.fullmatch(kind.node, diagnosis.node), diagnosis.words()
    assert diagnosis.is_confirmed, diagnosis.words()
    assert re.search(kind.words, diagnosis.sentence), diagnosis.words()


def check_node(found: Mapping[str, RowDiagnosis], path: str, node: str) -> None:
    diagnosis = found[path].diagnosis
    assert diagnosis is not None, found[path].reason
    assert diagnosis.node == node, diagnosis.words()
    assert diagnosis.is_confirmed


def test_a_good_bundle_has_no_finding(tmp_path: Path) -> None:
    rows, found = examine(write_probe(tmp_path / "a.edge"))
    assert {row.verdict for row in rows.values()} == {"equal"}
    assert {*rows} == {*PATHS.values(), "preprocessing", "labels", "provenance"}
    assert found == {}


@pytest.mark.parametrize("kind", OF_FLOAT, ids=lambda kind: kind.title)
def test_a_broken_float_graph_is_found_by_the_other_artefacts(kind: Kind, tmp_path: Path) -> None:
    rows, found = examine(write_probe(tmp_path / "a.edge", {FLOAT: kind.plant}))
    assert {row.subject for row in rows.values() if row.verdict == "differs"} == {"model.onnx"}
    check(found, "model.onnx", kind)
    assert found["model.onnx"].diagnosis.reference == "model.tflite"  # type: ignore[union-attr]


@pytest.mark.parametrize("witness", EVERY[1:], ids=lambda each: PATHS[each])
@pytest.mark.parametrize("kind", [DILATION, SLOPE], ids=lambda kind: kind.title)
def test_a_broken_float_graph_is_found_by_any_artefact(
    kind: Kind, witness: tuple[str, str], tmp_path: Path
) -> None:
    only: Artefacts = (FLOAT, witness)
    _, found = examine(write_probe(tmp_path / "a.edge", {FLOAT: kind.plant}, only))
    if witness == ("openvino", "int8"):
        # Its values have the names of a QDQ graph, which this bundle lacks.
        assert found["model.onnx"].diagnosis is None
        return
    check(found, "model.onnx", kind)


@pytest.mark.parametrize("kind", SEEN, ids=lambda kind: kind.title)
def test_a_broken_float_graph_is_found_by_the_integer_graph(kind: Kind, tmp_path: Path) -> None:
    path = write_probe(tmp_path / "a.edge", {FLOAT: kind.plant}, (FLOAT, INT8))
    _, found = examine(path)
    check(found, "model.onnx", kind)


def test_a_fault_in_all_integer_files_is_found_in_each(tmp_path: Path) -> None:
    faults = {each: DILATION.plant for each in EVERY if each[1] == "int8"}
    _, found = examine(write_probe(tmp_path / "a.edge", faults))
    assert {*found} == {PATHS[each] for each in faults}
    for path in found:
        check(found, path, DILATION)
        assert found[path].diagnosis.reference == "model.onnx"  # type: ignore[union-attr]


def test_a_fault_in_the_float_graph_and_its_copies_is_found_in_each(tmp_path: Path) -> None:
    faults = {FLOAT: DILATION.plant, ("tflite", "fp32"): DILATION.plant}
    _, found = examine(write_probe(tmp_path / "a.edge", faults))
    assert {*found} == {"model.onnx", "model.tflite"}
    for path in found:
        check(found, path, DILATION)


def test_of_two_faults_each_is_blamed_for_its_own(tmp_path: Path) -> None:
    faults = {FLOAT: ROLL_GROUPS, INT8: ROLL_LAST}
    _, found = examine(write_probe(tmp_path / "a.edge", faults))
    check_node(found, "model.onnx", "groups")
    check_node(found, "model.int8.onnx", "last")


def test_where_two_artefacts_disagree_and_none_is_right_none_is_blamed(tmp_path: Path) -> None:
    faults = {FLOAT: ROLL_GROUPS, INT8: ROLL_LAST}
    _, found = examine(write_probe(tmp_path / "a.edge", faults, (FLOAT, INT8)))
    assert [each.diagnosis for each in found.values()] == [None, None]
    assert "either may be wrong" in found["model.int8.onnx"].reason


def test_golden_answers_of_another_network_are_said(tmp_path: Path) -> None:
    others = {
        f"golden/{index}.output.npy": npy(answer + np.arange(5, dtype=np.float32))
        for index, answer in enumerate(answers(float_graph()))
    }
    rows, found = examine(write_probe(tmp_path / "a.edge", others=others))
    assert all(rows[path].verdict == "differs" for path in PATHS.values())
    assert [each.diagnosis for each in found.values() if each.subject != "labels"] == [None] * 6
    assert all("another network" in found[path].reason for path in PATHS.values())


def test_labels_one_off_are_named(tmp_path: Path) -> None:
    moved = {"labels.txt": "\n".join((*LABELS[1:], LABELS[0])).encode()}
    rows, found = examine(write_probe(tmp_path / "a.edge", others=moved))
    assert rows["labels"].verdict == "differs"
    diagnosis = found["labels"].diagnosis
    assert diagnosis is not None
    assert diagnosis.is_confirmed
    assert diagnosis.sentence == "the labels come one place too early"


def test_a_label_too_many_is_refused(tmp_path: Path) -> None:
    more = {"labels.txt": "\n".join(("background", *LABELS)).encode()}
    path = write_probe(tmp_path / "a.edge", others=more)
    with pytest.raises(ManifestInvalid, match=r"6 labels for the output scores float32 Nx5"):
        examine(path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(SPEC, scale=1 / 127.5), "scaled by 0.007843, not by 0.003922"),
        (replace(SPEC, scale=1.0), "scaled by 1, not by 0.003922"),
        (replace(SPEC, colour="BGR"), "colour is BGR"),
    ],
)
def test_wrong_preprocessing_is_a_row_and_named(wrong: object, words: str, tmp_path: Path) -> None:
    path = write_probe(tmp_path / "a.edge", edit=lambda m: replace(m, preprocess=wrong))
    rows, found = examine(path)
    assert rows["preprocessing"].verdict == "differs"
    assert rows["model.onnx"].verdict == "equal"
    diagnosis = found["preprocessing"].diagnosis
    assert diagnosis is not None
    assert diagnosis.is_confirmed, diagnosis.words()
    assert words in diagnosis.sentence


def test_preprocessing_that_makes_other_shapes_is_refused(tmp_path: Path) -> None:
    wrong = replace(SPEC, layout="NHWC")
    path = write_probe(tmp_path / "a.edge", edit=lambda m: replace(m, preprocess=wrong))
    with pytest.raises(ManifestInvalid, match="in NHWC, the network reads"):
        examine(path)


def test_a_layout_that_the_manifest_has_wrong_is_named(tmp_path: Path) -> None:
    def edit(manifest: object) -> object:
        entries = (replace(each, layout=None) for each in manifest.artefacts)  # type: ignore[attr-defined]
        return replace(manifest, artefacts=tuple(entries))  # type: ignore[type-var]

    path = write_probe(tmp_path / "a.edge", edit=edit)  # type: ignore[arg-type]
    rows, found = examine(path)
    assert rows["model.tflite"].verdict == "differs"
    diagnosis = found["model.tflite"].diagnosis
    assert diagnosis is not None
    assert diagnosis.is_confirmed
    assert "the file reads and writes NHWC" in diagnosis.sentence


def test_encodings_that_the_manifest_has_wrong_are_named(tmp_path: Path) -> None:
    def edit(manifest: object) -> object:
        (entry,) = manifest.artefacts  # type: ignore[attr-defined]
        scale, zero = entry.encodings["scores"]
        encodings = entry.encodings | {"scores": (scale * 2, zero)}
        return replace(manifest, artefacts=(replace(entry, encodings=encodings),))  # type: ignore[type-var]

    only: Artefacts = (("tflite", "int8"),)
    path = write_probe(tmp_path / "a.edge", None, only, edit, io="int8")  # type: ignore[arg-type]
    rows, found = examine(path)
    assert rows["model.int8.tflite"].verdict == "differs"
    diagnosis = found["model.int8.tflite"].diagnosis
    assert diagnosis is not None
    assert diagnosis.is_confirmed
    assert "the manifest gives the encodings" in diagnosis.sentence


def test_an_artefact_of_another_graph_is_said(tmp_path: Path) -> None:
    def edit(manifest: object) -> object:
        entries = (replace(each, graph="0" * 64) for each in manifest.artefacts)  # type: ignore[attr-defined]
        return replace(manifest, artefacts=tuple(entries))  # type: ignore[type-var]

    rows, found = examine(write_probe(tmp_path / "a.edge", edit=edit))  # type: ignore[arg-type]
    assert rows["provenance"].verdict == "differs"
    assert "not the graph that was exported" in rows["provenance"].note
    assert found == {}


def test_whatever_a_search_trips_over_is_the_note_of_its_row(tmp_path: Path) -> None:
    """A manifest without the artefact of a row stands for any fault of the search."""
    path = write_probe(tmp_path / "a.edge", {FLOAT: SLOPE.plant})
    with Bundle(path) as opened:
        rows = verify(opened, ("onnxruntime",))
        gone = [replace(row, subject="gone.onnx") for row in rows if row.verdict == "differs"]
        found = {each.subject: each for each in find_causes(opened, [*gone, *rows], None)}
    assert found["gone.onnx"].reason.startswith("no cause was found: the search failed with ")
    check(found, "model.onnx", SLOPE)


def test_a_search_in_another_process_finds_the_same(tmp_path: Path) -> None:
    path = write_probe(tmp_path / "a.edge", {FLOAT: SLOPE.plant})
    with Bundle(path) as opened:
        rows = verify(opened)
        (found,) = find_causes(opened, rows, tmp_path / "causes", isolated=True)
    check({found.subject: found}, "model.onnx", SLOPE)
    assert found.folder == tmp_path / "causes" / "model.onnx"
    assert (found.folder / "reproduce.py").exists()
