from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import ModelUnusable
from edgecnn.exporting.plan import ExportOptions, plan
from edgecnn.exporting.plan_words import plan_words
from edgecnn.model.resolve import resolve
from edgecnn.model.weights import shipped
from edgecnn.zoo import Form


def planned(typed: str, **options: object) -> dict[str, str]:
    return plan_words(plan(ExportOptions(resolve(typed), **options)))  # type: ignore[arg-type]


def test_the_plan_of_each_kind_of_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = str(shipped("resnet20")["cifar10"])
    expected = {
        "nets/mine.onnx": ("ONNX file", "in the file", "as in the file", "assumed", "mine.edge"),
        "nets:build": (
            *("your own network", "as the factory makes them"),
            *("Nx3x96x96", "assumed", "build.edge"),
        ),
        "mobilenet_v2": ("zoo", "imagenet", "Nx3x224x224", "the zoo's", "mobilenet_v2.edge"),
        checkpoint: (
            *("checkpoint", "in the file, classes 10"),
            *("Nx3x32x32", "the checkpoint's", "resnet20.edge"),
        ),
    }
    for typed, (kind, weights, shape, preprocess, bundle) in expected.items():
        said = planned(typed, **({"shape": (3, 96, 96)} if typed == "nets:build" else {}))
        assert said["model"] == f"{typed} ({kind})"
        assert said["capture"].startswith("read as it is") == (kind == "ONNX file")
        found = (said["weights"], said["input"], said["preprocess"], said["bundle"])
        assert found == (weights, shape, preprocess, bundle)


def test_a_network_that_does_not_know_its_input_is_refused_without_one() -> None:
    with pytest.raises(ModelUnusable, match="nets:build needs the shape of its input"):
        planned("nets:build")


def test_weights_that_say_their_form_give_the_input_of_the_plan() -> None:
    path = shipped("resnet20")["cifar10"]
    for weights in ("cifar10", str(path)):
        said = planned("resnet20", weights=weights)
        assert (said["weights"], said["input"]) == (f"{weights}, classes 10", "Nx3x32x32")


@pytest.mark.parametrize(
    ("typed", "options", "says"),
    [
        ("net.onnx", {"weights": "mine.pth"}, "net.onnx holds its weights; leave out --weights"),
        ("net.onnx", {"form": Form(width=0.5)}, "leave out --weights, --width"),
        ("nets:build", {"form": Form(classes=3)}, "--classes is for networks of the zoo"),
        (
            "nets:build",
            {"compiled": ("mcu",), "batch": 4},
            "--batch 4 does not go with --target mcu: .* leave --batch out",
        ),
    ],
)
def test_options_that_do_not_go_with_the_model_are_refused(
    typed: str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(ModelUnusable, match=says):
        planned(typed, **options)


@pytest.mark.parametrize(
    ("typed", "options", "classes"),
    [
        ("mobilenet_v2", {}, 1000),
        ("mobilenet_v2", {"weights": "random", "form": Form(classes=7)}, 7),
        ("lenet5", {"weights": "mnist"}, 10),
        (str(shipped("resnet20")["cifar10"]), {}, 10),
    ],
)
def test_labels_are_counted_where_the_number_of_classes_is_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    options: dict[str, object],
    classes: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = tuple(map(str, range(classes)))
    planned(typed, labels=labels, **options)
    with pytest.raises(ModelUnusable, match=f"has {classes} outputs but {classes - 1} labels"):
        planned(typed, labels=labels[1:], **options)


@pytest.mark.parametrize("options", [{"weights": "mine.pth"}, {"preprocess": "none"}])
def test_labels_are_not_counted_where_weights_will_tell_or_they_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    monkeypatch.chdir(tmp_path)
    planned("mobilenet_v2", labels=("a", "b"), **options)
