"""README.txt of extracted artefacts: how each is fed and read, with an example for its engine."""

from __future__ import annotations

import json

from edgecnn.bundles.preprocess_words import preprocess_words
from edgecnn_runtime import __version__
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.printable import printable
from edgecnn_runtime.tensor_spec import TensorSpec

README = "README.txt"

_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession({path})
answer = session.run([{output}], {{{input}: feed}})[0]"""
_OPENVINO = """\
import openvino
model = openvino.Core().compile_model({path}, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
answer = model({{{input}: feed}})[{output}]"""
_TFLITE = """\
from ai_edge_litert.interpreter import Interpreter
model = Interpreter({path})
reads, writes = model.get_input_details()[0], model.get_output_details()[0]
{encode}model.allocate_tensors(); model.set_tensor(reads["index"], feed); model.invoke()
answer = model.get_tensor(writes["index"])"""
_PLAN = """\
import edgecnn_native
model = edgecnn_native.Model({path})
{encode}answer = model.run([feed])[0]"""
EXAMPLES = {"onnx": _ONNX, "openvino": _OPENVINO, "tflite": _TFLITE, "plan": _PLAN}
# The dtype of the input where it is of 8 bits, in the words of each example.
_DTYPES = {"tflite": 'reads["dtype"]', "plan": "model.inputs[0].dtype"}
_ENCODE = """\
import numpy
limits = numpy.iinfo({dtype})
steps = numpy.rint(feed / {scale:.9g}) + {zero}
feed = numpy.clip(steps, limits.min, limits.max).astype(limits.dtype)
"""
_DECODE = """
answer = {scale:.9g} * (answer.astype("float32") - {zero})"""
_CODE = """\
preprocess_numpy.py    Python, needs numpy; an image with red first
preprocess_opencv.py   Python, needs cv2; a frame of OpenCV, blue first
preprocess.h           C99, header only; RGB, 8 bits a channel
preprocess.hpp         C++11, the same
Preprocess.kt          Android; a Bitmap, or an IntArray of its pixels
preprocess.js          browser and node; preprocess(image, SPEC)
preprocess.json        the same as data"""


def readme(manifest: Manifest, artefacts: tuple[Artefact, ...], *, has_labels: bool) -> str:
    """The text of README.txt; names of the bundle are quoted as text, never as code."""
    parts = [
        f"{printable(manifest.name)}, extracted by edgecnn {__version__}",
        _ends(manifest, has_labels),
    ]
    if manifest.preprocess is not None:
        words = preprocess_words(manifest.preprocess).items()
        steps = "\n".join(f"{name:<8} {text}" for name, text in words)
        parts.append(f"PREPROCESSING\n\n{steps}\n\n{_CODE}")
    parts += [_artefact(manifest, one) for one in artefacts]
    return "\n\n\n".join(parts) + "\n"


def _ends(manifest: Manifest, has_labels: bool) -> str:
    lines = [f"input    {printable(str(spec))}" for spec in manifest.inputs]
    lines += [f"output   {printable(str(spec))}" for spec in manifest.outputs]
    if has_labels and manifest.postprocess is not None:
        lines.append("labels   labels.txt: line i names class i of the output, from 0")
        lines.append(
            "scores   softmax of the output"
            if manifest.postprocess.softmax
            else "scores   the output itself"
        )
    return "\n".join(lines)


def _artefact(manifest: Manifest, artefact: Artefact) -> str:
    title = f"{artefact.path}, {artefact.precision}"
    if artefact.target is not None:
        note = (
            f"Compiled for {printable(artefact.target)}; its vendor's runtime opens it on the "
            "device.\nProof of its answers: " + artefact.proof + "."
        )
        return f"{title}\n\n{note}{_encodings(artefact)}"
    example = EXAMPLES.get(artefact.format)
    if example is None:
        return f"{title}\n\nA file of the format {printable(artefact.format)}."
    fed, answer = manifest.inputs[0].name, manifest.outputs[0].name
    encode = _ENCODE if fed in artefact.encodings else ""
    decode = _DECODE if answer in artefact.encodings else ""
    text = example.format(
        path=_quoted(artefact.path),
        input=_quoted(fed),
        output=_quoted(answer),
        encode=_filled(encode, artefact, fed),
    )
    text += _filled(decode, artefact, answer)
    return f"{title}\n\n{_feed(manifest, artefact)}{_indented(text)}{_encodings(artefact)}"


def _filled(template: str, artefact: Artefact, name: str) -> str:
    """Lines that turn floats into the artefact's 8 bits, or back; none of a tensor in float."""
    scale, zero = artefact.encodings.get(name, (1.0, 0))
    return template.format(scale=scale, zero=zero, dtype=_DTYPES.get(artefact.format))


def _feed(manifest: Manifest, artefact: Artefact) -> str:
    if manifest.preprocess is None:
        layout = ", in the order NHWC" if artefact.layout == "NHWC" else ""
        spec: TensorSpec = manifest.inputs[0]
        return f"feed: an array {printable(str(spec))}{layout}.\n\n"
    layout = artefact.layout or manifest.preprocess.layout
    lines = (
        "from preprocess_numpy import preprocess  # image: (height, width, 3) uint8, red first",
        f'feed = preprocess(image, "{layout}")',
    )
    return _indented("\n".join(lines)) + "\n"


def _encodings(artefact: Artefact) -> str:
    lines = [
        f"{printable(name)} is of 8 bits in this file: real = {scale:.9g} * (integer - {zero})"
        for name, (scale, zero) in artefact.encodings.items()
    ]
    return "".join(f"\n\n{line}" for line in lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _quoted(name: str) -> str:
    """The name as a literal of Python, whatever is in it."""
    return json.dumps(name)
