"""What was typed by mistake, and the sentence that answers it."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from e2e.conftest import EDGECNN, PHOTOGRAPHS, TINY, Run
from e2e.test_bad_input import refusal
from torch import nn

from edgecnn.zoo import ARCHITECTURES
from edgecnn_runtime.bundle import Bundle

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
OWN = ("export", "nets:build", "--input", "1x3x32x32")


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A folder of files that are taken for others."""
    folder = tmp_path_factory.mktemp("materials")
    (folder / "nets.py").write_text(TINY)
    (folder / "empty").mkdir()
    for name in ("photos", "classes/a", "classes/b"):
        (folder / name).mkdir(parents=True)
        shutil.copy(PHOTOGRAPHS / "cat.jpg", folder / name)
    shutil.copy(PHOTOGRAPHS / "cat.jpg", folder / "cat.jpg")
    shutil.copy(tiny_bundle, folder / "tiny.edge")
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    torch.save(network.state_dict(), folder / "weights.pth")
    torch.save(network, folder / "module.pth")
    lenet = ARCHITECTURES["lenet5"].build(classes=7, width=None, depth=None, stem=None, phi=None)
    torch.save({"state_dict": lenet.state_dict()}, folder / "seven.pth")
    (folder / "broken").mkdir()
    (folder / "broken" / "a.jpg").write_bytes(b"no image")
    (folder / "net.onnx").write_bytes(b"\x08\x08" + bytes(30))
    (folder / "net.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(30))
    (folder / "net.plan").write_bytes(b"EDGEPLAN" + bytes(56))
    (folder / "text.edge").write_text("hello\n")
    (folder / "nothing.edge").write_bytes(b"")
    (folder / "pointer.edge").write_text(LFS)
    (folder / "page.edge").write_text("<!DOCTYPE html><html>404</html>")
    (folder / "cut.edge").write_bytes(tiny_bundle.read_bytes()[:5000])
    with zipfile.ZipFile(folder / "zip.edge", "w") as archive:
        archive.writestr("a.txt", "a")
    return folder


# The typed words, and what the answer says.
REFUSED = [
    # MODEL is something else.
    ("export weights.pth", "holds weights, not a network: edgecnn export NAME --weights weights"),
    ("export module.pth", "whole pickled network (torch.nn.modules.container.Sequential)"),
    ("export gone.pth", "gone.pth does not exist; MODEL is a name of edgecnn zoo"),
    ("export gone.safetensors", "missing: it does not exist"),
    ("export nets.py", "it defines Tiny, build, broken, number; name the function"),
    ("export nets.build", "did you mean nets:build?"),
    ("export gone.py:build --input 1x3x32x32", "there is no file gone.py"),
    ("export tiny.edge", "again: edgecnn export nets:build --input 1x3x32x32 --preprocess unit"),
    ("export net.tflite", "is a TFLite file, a result of an export"),
    ("export photos", "a folder of 1 images, not a network: edgecnn export MODEL --quantize int8"),
    ("export empty", "a folder without weights.safetensors, so no run of edgecnn train"),
    ("export cat.jpg", "to classify it: edgecnn run NAME.edge cat.jpg"),
    ("export lenet5 --weights seven.pth", "lenet5 with 7 classes, the network has 10: give --cl"),
    # BUNDLE is something else.
    ("run net.onnx cat.jpg", "an ONNX file, not a bundle; make one: edgecnn export net.onnx"),
    ("run net.tflite cat.jpg", "is a TFLite file, not a bundle"),
    (
        "bundle show net.plan",
        "is a plan, not a bundle; a bundle with one: edgecnn export MODEL --qu",
    ),
    ("learn tiny.edge --data classes", "cannot learn; edgecnn export MODEL --learn head writes"),
    ("learn net.onnx --data classes", "an ONNX file, not a bundle; make one: edgecnn export net"),
    ("run weights.pth cat.jpg", "is weights, not a bundle; make one: edgecnn export NAME --weigh"),
    ("run cat.jpg tiny.edge", "the bundle comes first: edgecnn run NAME.edge cat.jpg"),
    ("run photos cat.jpg", "it is a folder, expected a bundle's file"),
    ("run . cat.jpg", "it holds cut.edge"),
    ("run tiny cat.jpg", "tiny does not exist; did you mean tiny.edge?"),
    ("verify tinny.edge", "did you mean tiny.edge?"),
    ("run text.edge cat.jpg", "is text, not a bundle ('hello'): fetch the file itself again"),
    ("run nothing.edge cat.jpg", "is empty, not a bundle"),
    ("run pointer.edge cat.jpg", "is a Git LFS pointer, not the file that it stands for: git lfs"),
    ("run page.edge cat.jpg", "is a web page, not a bundle, as a failed download leaves it"),
    ("run cut.edge cat.jpg", "truncated"),
    ("run zip.edge cat.jpg", "holds no manifest.json; it is not a bundle of edgecnn: edgecnn exp"),
    # Images.
    ("run tiny.edge photos", "is a folder, expected a file; pass the images in it, such as photos"),
    ("run tiny.edge gone.jpg", "cannot be opened: No such file or directory; check the path"),
    ("evaluate tiny.edge --data photos", "holds 1 images but no folders"),
    # Engines and devices.
    ("run tiny.edge cat.jpg --engine tensorrt", "no engine is called 'tensorrt'; there are onnxr"),
    ("run tiny.edge cat.jpg --engine fake", "no engine is called 'fake'; there are onnxruntime"),
    ("verify tiny.edge --engine fake", "no engine is called 'fake'; there are onnxruntime"),
    ("bench tiny.edge --engine fake", "no engine is called 'fake'; there are onnxruntime"),
    ("run tiny.edge cat.jpg --engine native", "export … --quantize int8 --target native adds plan"),
    ("verify tiny.edge --engine openvino", "edgecnn export … --target openvino adds openvino"),
    ("bench tiny.edge --device 192.168.1.7", "edgecnn devices add NAME pi@192.168.1.7"),
    # What is written, and how.
    ("export nets:build", "needs the shape of its input: --input 1x3x224x224"),
    (" ".join((*OWN, "-o x.onnx")), "give -o x.edge, then: edgecnn bundle extract x.edge -o DIR"),
    (" ".join((*OWN, "-o x.tflite")), "an export writes a bundle, which holds the .tflite file"),
    (" ".join((*OWN, "-o folder/")), "give -o folder.edge, or mkdir folder first"),
    (" ".join((*OWN, "--preprocess imagnet")), "did you mean imagenet?"),
    (" ".join((*OWN, "--labels gone.txt")), "labels gone.txt cannot be read: No such file"),
    (
        "export lenet5 --weights random -o tiny.edge",
        "is a bundle of build, not of lenet5; give --f",
    ),
]
MISUSED = [
    ("exprot lenet5", "No such command 'exprot'; did you mean export?"),
    ("bundle shwo x.edge", "No such command 'shwo'; did you mean show?"),
    ("devices ad rpi", "No such command 'ad'; did you mean add?"),
    ("export lenet5 --taget tflite", "'--target'"),
    ("export lenet5 --quantise in8", "use int8"),
    ("export lenet5 --input 224", "write it as 1x3x224x224|as in 1x3x224x224"),
    ("export lenet5 --input 224x224x3", "channels come first, as in 1x3x224x224"),
]


@pytest.mark.parametrize(("typed", "says"), REFUSED)
def test_a_mistake_is_answered_with_one_sentence(
    edgecnn: Run, materials: Path, tmp_path: Path, typed: str, says: str
) -> None:
    shutil.copytree(materials, tmp_path, dirs_exist_ok=True)
    line = refusal(edgecnn(*typed.split()))
    assert says in line
    assert len(line) <= 3 * 80, "more than three lines of a terminal"


@pytest.mark.parametrize(("typed", "says"), MISUSED)
def test_a_mistyped_word_is_answered_with_the_nearest(edgecnn: Run, typed: str, says: str) -> None:
    line = refusal(edgecnn(*typed.split()), code=2)
    assert any(each in line for each in says.split("|"))


def test_the_engines_that_are_offered_are_no_test_doubles(edgecnn: Run, tiny_bundle: Path) -> None:
    line = refusal(edgecnn("run", tiny_bundle, PHOTOGRAPHS / "cat.jpg", "--engine", "trt"))
    assert "fake" not in line


def test_a_file_of_python_and_a_function_in_it_is_a_network(edgecnn: Run, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "layers.py").write_text("WIDTH = 2\n")
    own = TINY.replace("import torch\n", "import torch\nfrom layers import WIDTH\n", 1)
    (folder / "json.py").write_text(own)  # another module has its name
    ran = edgecnn("export", "code/json.py:build", "--input", "3x32x32", "--preprocess", "unit")
    assert ran.returncode == 0, ran.stderr
    with Bundle(tmp_path / "build.edge") as bundle:
        assert bundle.manifest.inputs[0].shape == (None, 3, 32, 32)


def test_a_folder_of_a_training_is_its_checkpoint(edgecnn: Run, tmp_path: Path) -> None:
    from edgecnn.model.weights import shipped

    run = tmp_path / "runs" / "resnet20-cifar10"
    run.mkdir(parents=True)
    shutil.copy(shipped("resnet20")["cifar10"], run / "weights.safetensors")
    ran = edgecnn("export", "runs/resnet20-cifar10", "--dry-run")
    assert "resnet20-cifar10/weights.safetensors (checkpoint)" in ran.stdout
    line = refusal(edgecnn("export", "runs"))
    assert "a folder of runs; name one: edgecnn export runs/resnet20-cifar10" in line


@pytest.fixture(scope="module")
def richer(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """The tiny network with a TFLite file beside its ONNX one."""
    from dataclasses import replace

    from edgecnn_runtime.bundle.write import write_bundle
    from edgecnn_runtime.manifest import Artefact

    with Bundle(tiny_bundle) as bundle:
        files = {name: bundle.read(name) for name in bundle.manifest.files}
        artefacts = (*bundle.manifest.artefacts, Artefact("model.tflite", "tflite", "fp32"))
        manifest = replace(bundle.manifest, artefacts=artefacts)
    path = tmp_path_factory.mktemp("richer") / "build.edge"
    write_bundle(path, manifest, files | {"model.tflite": b"tflite"})
    return path


def test_a_richer_bundle_is_replaced_with_force_alone(
    edgecnn: Run, richer: Path, tmp_path: Path
) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    shutil.copy(richer, tmp_path)
    line = refusal(edgecnn(*OWN))
    assert "holds model.tflite, which would not be in the new one; give --force" in line
    assert (tmp_path / "build.edge").read_bytes() == richer.read_bytes()
    assert edgecnn(*OWN, "--target", "tflite", "--dry-run").returncode == 0
    assert edgecnn(*OWN, "--force").returncode == 0
    with Bundle(tmp_path / "build.edge") as bundle:
        assert [each.path for each in bundle.manifest.artefacts] == ["model.onnx"]
        assert "--force" not in bundle.manifest.provenance["command"]
    assert edgecnn(*OWN).returncode == 0  # an equal one


@pytest.mark.parametrize(
    ("hidden", "typed", "says"),
    [
        ("matplotlib", "zoo lenet5 --plot x.png", "matplotlib"),
        ("matplotlib", "bench tiny.edge --plot x.png", "matplotlib"),
        ("matplotlib", f"{' '.join(OWN)} --quantize int8 --report x.png", "matplotlib"),
        ("safetensors", "export resnet20 --weights cifar10", "safetensors is not installed"),
        ("torch", " ".join(OWN), "torch is not installed"),
        ("PIL", "run tiny.edge cat.jpg", "needs Pillow, which is not installed"),
        ("PIL", "evaluate tiny.edge --data classes", "reading the images of classes needs Pillow"),
        ("PIL", "train lenet5 --data classes", "reading the images of classes needs Pillow"),
        ("ai_edge_litert", f"{' '.join(OWN)} --target tflite", "'tflite' is not installed"),
        ("openvino", f"{' '.join(OWN)} --target openvino", "'openvino' is not installed"),
    ],
)
def test_an_optional_package_that_is_missing_is_named_before_the_work(
    materials: Path, tmp_path: Path, hidden: str, typed: str, says: str
) -> None:
    shutil.copytree(materials, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{hidden!r}] = None")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    ran = subprocess.run(
        [EDGECNN, *typed.split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, ""), ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    answer = " ".join(ran.stderr.split())
    assert says in answer
    assert " install " in answer
