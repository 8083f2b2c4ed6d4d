"""MODELs that are something else: weights without a network, bundles, folders, scripts, images."""

from __future__ import annotations

import ast
import pickletools
import zipfile
from pathlib import Path

from edgecnn.errors import UnknownModel
from edgecnn.model.weights import SUFFIX
from edgecnn_exporters.capture.file_content import other_content
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import BundleError

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".tar")
RUN_WEIGHTS = f"weights{SUFFIX}"
BUNDLE = ".edge"
OWN = "package.module:factory"
# Formats that networks are deployed in; none of them can be exported from.
_RESULTS = {
    ".tflite": "a TFLite file",
    ".xml": "an OpenVINO file",
    ".plan": "a plan of the engine native",
    ".pte": "an ExecuTorch program",
    ".engine": "a TensorRT engine",
    ".mlmodel": "a Core ML model",
    ".pb": "a TensorFlow graph",
    ".h5": "a Keras model",
    ".keras": "a Keras model",
}
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
# What a pickle of weights alone refers to.
_OF_WEIGHTS = ("torch", "collections", "numpy", "_codecs", "builtins", "__builtin__", "argparse")


def refuse_mistaken(typed: str) -> None:
    """Refuse a MODEL that is plainly something else.

    Raises:
        UnknownModel: it is; says what it is, what was expected, and what to type.
    """
    path = Path(typed)
    if typed and path.is_dir():
        raise UnknownModel(_folder(path))
    suffix = path.suffix.lower()
    if suffix in (*PICKLES, *_RESULTS, BUNDLE, ".py") and not path.is_file():
        raise UnknownModel(
            f"{typed} does not exist; MODEL is a name of edgecnn zoo, {OWN}, or an .onnx file"
        )
    if (dotted := _dotted(typed)) is not None:
        raise UnknownModel(f"no model is called {typed!r}; did you mean {dotted}?")
    if not path.is_file():
        return
    if suffix in PICKLES:
        raise UnknownModel(f"{typed} {_pickle(path)}")
    if suffix == BUNDLE:
        raise UnknownModel(_bundle(typed))
    if suffix in _RESULTS:
        raise UnknownModel(
            f"{typed} is {_RESULTS[suffix]}, a result of an export; MODEL is what it was made "
            f"from: {OWN} or an .onnx file"
        )
    if suffix == ".py":
        raise UnknownModel(_script(path))
    if suffix in _IMAGES:
        raise UnknownModel(
            f"{typed} is an image, not a network; to classify it: edgecnn run NAME.edge {typed}"
        )


def run_checkpoint(typed: str) -> str | None:
    """The checkpoint in a folder of ``edgecnn train``; None for any other folder, or none."""
    path = Path(typed, RUN_WEIGHTS)
    return str(path) if path.is_file() else None


def _folder(path: Path) -> str:
    """A folder that is no run: the runs in it, or its images, say what was meant."""
    runs = sorted(path.glob(f"*/{RUN_WEIGHTS}"), key=lambda each: -each.stat().st_mtime)
    if runs:
        return f"{path} is a folder of runs; name one: edgecnn export {runs[0].parent}"
    images = sum(each.suffix.lower() in _IMAGES for each in path.rglob("*"))
    if images:
        return (
            f"{path} is a folder of {images:,} images, not a network: edgecnn export MODEL "
            f"--quantize int8 --calibrate {path}"
        )
    return (
        f"{path} is a folder without {RUN_WEIGHTS}, so no run of edgecnn train; MODEL is a name of "
        f"edgecnn zoo, {OWN}, or an .onnx file"
    )


def _pickle(path: Path) -> str:
    """What a file of ``torch.save`` holds, read without running it."""
    own = f"edgecnn export {OWN} --input 1x3x224x224 --weights"
    if content := other_content(path):
        return f"is {content}"
    if (cls := _pickled_class(path)) is not None:
        return (
            f"holds a whole pickled network ({cls}), whose code would run; where it was made, save "
            f"model.state_dict(), then: {own} FILE"
        )
    return (
        f"holds weights, not a network: edgecnn export NAME --weights {path} with a name of "
        f"edgecnn zoo, or {own} {path}"
    )


def _pickled_class(path: Path) -> str | None:
    """The first class in the pickle that is no part of PyTorch's tensors; None without one."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next(each for each in archive.namelist() if each.endswith("data.pkl"))
                content = archive.read(name)
        else:
            content = path.read_bytes()
        words = [
            str(argument)
            for operation, argument, _ in pickletools.genops(content)
            if operation.name == "GLOBAL"
        ]
    except Exception:  # a damaged pickle raises anything; its reader says more
        return None
    is_network = any(word.startswith("torch.nn.modules") for word in words)
    own = [word for word in words if not word.startswith(_OF_WEIGHTS)]
    if not is_network:
        return None
    return ".".join((own or [word for word in words if "torch.nn" in word])[0].split())


def _bundle(typed: str) -> str:
    """A bundle: the command that it was made by makes it again."""
    try:
        with Bundle(typed) as bundle:
            command = str(bundle.manifest.provenance.get("command", ""))
    except BundleError as error:
        return str(error)
    again = command if command.startswith("edgecnn export ") else "edgecnn export MODEL"
    return (
        f"{typed} is a bundle, which is what an export makes; export what it was made from again: "
        f"{again}"
    )


def _script(path: Path) -> str:
    """A Python file without the function in it: those that it defines."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        body = []
    names = [
        each.name
        for each in body
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and not each.name.startswith("_")
    ]
    defined = f"; it defines {', '.join(names[:8])}" if names else ""
    first = names[0] if names else "FACTORY"
    return (
        f"{path} is a Python file{defined}; name the function that builds the network: edgecnn "
        f"export {path}:{first} --input 1x3x224x224"
    )


def _dotted(typed: str) -> str | None:
    """``module:factory`` where ``module.factory`` was typed and the module lies here."""
    module, dot, factory = typed.rpartition(".")
    if (
        not dot
        or factory == "py"
        or not factory.isidentifier()
        or not Path(f"{module.replace('.', '/')}.py").is_file()
    ):
        return None
    return f"{module}:{factory}"
