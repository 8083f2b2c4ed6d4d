"""Training graphs verified by their golden step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from learning_bundles import Recipe, learning_contents

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verify import verify

Change = Callable[[onnx.GraphProto], None]


def no_change(graph: onnx.GraphProto) -> None:
    pass


def flip_sign(graph: onnx.GraphProto) -> None:
    """The gradient of the logits becomes truth less probabilities."""
    node = next(each for each in graph.node if list(each.output) == ["error"])
    node.input[:] = reversed(node.input)


def spoil_bias(graph: onnx.GraphProto) -> None:
    """The gradient of the bias becomes the sum of the labels."""
    node = next(each for each in graph.node if list(each.output) == ["bias_gradient"])
    node.input[0] = "truth"


def verified(path: Path, recipe: Recipe, change: Change, *, isolated: bool = False) -> Parity:
    """The row of the training graph of a bundle with a changed graph."""
    manifest, files = learning_contents(recipe)
    model = onnx.load_from_string(files["model.train.onnx"])
    change(model.graph)
    files["model.train.onnx"] = model.SerializeToString()
    write_bundle(path, manifest, files)
    with Bundle(path) as bundle:
        rows = verify(bundle, ("onnxruntime",), isolated=isolated)
    (row,) = (row for row in rows if row.subject == "model.train.onnx")
    return row


@pytest.mark.parametrize(
    "recipe",
    [Recipe(), Recipe("adam"), Recipe(is_dropped=True)],
    ids=["momentum", "adam", "dropout"],
)
def test_a_sound_training_graph_has_the_golden_gradients(tmp_path: Path, recipe: Recipe) -> None:
    row = verified(tmp_path / "a.edge", recipe, no_change)
    assert row.verdict == "equal"
    assert row.learning is not None
    assert row.learning.gradient < 1e-5
    assert row.learning.loss < 1e-5


@pytest.mark.parametrize("recipe", [Recipe(), Recipe("adam")])
def test_a_flipped_sign_is_found(tmp_path: Path, recipe: Recipe) -> None:
    row = verified(tmp_path / "a.edge", recipe, flip_sign)
    assert row.verdict == "differs"
    assert row.learning is not None
    assert row.learning.gradient == pytest.approx(2, abs=0.01)
    assert row.learning.loss < 1e-5


def test_the_worst_parameter_is_named(tmp_path: Path) -> None:
    row = verified(tmp_path / "a.edge", Recipe(), spoil_bias)
    assert row.verdict == "differs"
    assert row.learning is not None
    assert row.learning.parameter == "head.bias"


def test_in_a_process_of_its_own_the_row_is_the_same(tmp_path: Path) -> None:
    own = verified(tmp_path / "a.edge", Recipe(), flip_sign)
    assert verified(tmp_path / "b.edge", Recipe(), flip_sign, isolated=True) == own


def test_a_graph_that_does_not_run_differs(tmp_path: Path) -> None:
    def refuse(graph: onnx.GraphProto) -> None:
        node = next(each for each in graph.node if list(each.output) == ["error"])
        node.input[1] = "conv.weight"  # of no shape that fits

    row = verified(tmp_path / "a.edge", Recipe(), refuse)
    assert (row.verdict, row.learning) == ("differs", None)
    assert row.note.startswith("does not run: onnxruntime fails at the training graph")


def test_a_bundle_without_one_has_no_row(tmp_path: Path) -> None:
    manifest, files = learning_contents()
    names = ("model.train.onnx", "model.train.safetensors", "golden/train.safetensors")
    kept = {name: content for name, content in files.items() if name not in names}
    write_bundle(tmp_path / "a.edge", replace(manifest, training=None, parameters=()), kept)
    with Bundle(tmp_path / "a.edge") as bundle:
        assert all(row.learning is None for row in verify(bundle, ("onnxruntime",)))
