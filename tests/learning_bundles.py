"""Bundles for tests that learn: a convolution, a mean over the image, and a linear head.

The training graph is written by hand: softmax cross-entropy of the head, SGD or Adam.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.safetensors import write_safetensors
from edgecnn_runtime.bundle.write import npy
from edgecnn_runtime.manifest import (
    Artefact,
    ChannelGroup,
    Golden,
    Manifest,
    Postprocess,
    Preprocess,
)
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import (
    FoldedNorm,
    Head,
    QuantisedLayer,
    SeenRange,
    Training,
    state_of,
)

CLASSES, CHANNELS, SIZE = 3, 8, 6
INPUT = TensorSpec("input", "float32", (None, 3, SIZE, SIZE))
LABELS = ("red", "green", "blue")
WEIGHT = TensorSpec("head.weight", "float32", (CLASSES, CHANNELS))
BIAS = TensorSpec("head.bias", "float32", (CLASSES,))
DROPPED = 0.25

FEATURES = """
    convolved = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (input, conv.weight, conv.bias)
    rectified = Relu (convolved)
    pooled = GlobalAveragePool (rectified)
    features = Flatten <axis = 1> (pooled)
"""
FLOAT = f"""
<ir_version: 8, opset_import: ["" : 18], producer_name: "by hand">
network (float[N, 3, {SIZE}, {SIZE}] input) => (float[N, {CLASSES}] logits)
<float[N, {CHANNELS}] features> {{
    {FEATURES}
    logits = Gemm <transB = 1> (features, head.weight, head.bias)
}}
"""
DROPOUT = """
    kept = GreaterOrEqual (features.random, dropped)
    mask = Cast <to = 1> (kept)
    masked = Mul (features, mask)
    used = Div (masked, share)
"""
LOSS = """
    logits = Gemm <transB = 1> (used, head.weight, head.bias)
    logarithms = LogSoftmax <axis = 1> (logits)
    columns = Unsqueeze (learn.labels, one)
    chosen = GatherElements <axis = 1> (logarithms, columns)
    mean = ReduceMean <keepdims = 0> (chosen)
    learn.loss = Neg (mean)
    probabilities = Softmax <axis = 1> (logits)
    depth = Shape (head.bias)
    truth = OneHot <axis = 1> (learn.labels, depth, off_on)
    error = Sub (probabilities, truth)
    batch = Shape (learn.labels)
    count = Cast <to = 1> (batch)
    slope = Div (error, count)
    weight_gradient = Gemm <transA = 1> (slope, used)
    bias_gradient = ReduceSum <keepdims = 0> (slope, zero)
    weight_square = ReduceSumSquare <keepdims = 0> (weight_gradient)
    bias_square = ReduceSumSquare <keepdims = 0> (bias_gradient)
    square = Add (weight_square, bias_square)
    learn.gradient_norm = Sqrt (square)
    least = ReduceMin <keepdims = 0> (logits)
    greatest = ReduceMax <keepdims = 0> (logits)
    least_1 = Unsqueeze (least, zero)
    greatest_1 = Unsqueeze (greatest, zero)
    logits.range = Concat <axis = 0> (least_1, greatest_1)
"""
SGD = """
    decay_{i} = Mul ({p}, decay)
    decayed_{i} = Add ({g}, decay_{i})
    kept_{i} = Mul ({p}.momentum, momentum)
    {p}.momentum.next = Add (kept_{i}, decayed_{i})
    move_{i} = Mul ({p}.momentum.next, learn.rate)
    {p}.next = Sub ({p}, move_{i})
"""
ADAM_STEP = """
    learn.step.next = Add (learn.step, one_step)
    steps = Cast <to = 1> (learn.step.next)
    first_power = Pow (beta_1, steps)
    second_power = Pow (beta_2, steps)
    first_share = Sub (unit, first_power)
    second_share = Sub (unit, second_power)
"""
ADAM = """
    decay_{i} = Mul ({p}, decay)
    decayed_{i} = Add ({g}, decay_{i})
    first_old_{i} = Mul ({p}.first_moment, beta_1)
    first_new_{i} = Mul (decayed_{i}, rest_1)
    {p}.first_moment.next = Add (first_old_{i}, first_new_{i})
    squares_{i} = Mul (decayed_{i}, decayed_{i})
    second_old_{i} = Mul ({p}.second_moment, beta_2)
    second_new_{i} = Mul (squares_{i}, rest_2)
    {p}.second_moment.next = Add (second_old_{i}, second_new_{i})
    first_{i} = Div ({p}.first_moment.next, first_share)
    second_{i} = Div ({p}.second_moment.next, second_share)
    root_{i} = Sqrt (second_{i})
    safe_{i} = Add (root_{i}, epsilon)
    direction_{i} = Div (first_{i}, safe_{i})
    move_{i} = Mul (direction_{i}, learn.rate)
    {p}.next = Sub ({p}, move_{i})
"""


@dataclass(frozen=True)
class Recipe:
    """How the training graph of a bundle learns."""

    optimiser: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.01
    is_dropped: bool = False
    is_int8: bool = False


HEAD = Recipe()


def weights(seed: int = 0) -> dict[str, Array]:
    """Weights of the network, by the names of their initialisers."""
    rng = np.random.default_rng(seed)
    return {
        "conv.weight": rng.normal(0, 0.4, (CHANNELS, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.normal(0, 0.1, CHANNELS).astype(np.float32),
        "head.weight": rng.normal(0, 0.5, WEIGHT.shape).astype(np.float32),
        "head.bias": rng.normal(0, 0.1, CLASSES).astype(np.float32),
    }


def pictures(count: int, seed: int = 1) -> tuple[Array, Array]:
    """Inputs (count, 3, SIZE, SIZE) whose brightest channel is the label (count,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    images = rng.random((count, 3, SIZE, SIZE), np.float32) * np.float32(0.4)
    images[np.arange(count), labels] += np.float32(0.6)
    return images, labels


def parse(text: str, constants: dict[str, Array]) -> bytes:
    """An ONNX model from its text, with constants as initialisers in raw_data."""
    import onnx.numpy_helper
    import onnx.parser

    # The parser takes names with dots in quotes alone.
    model = onnx.parser.parse_model(re.sub(r"[a-z]\w*(?:\.\w+)+", r'"\g<0>"', text))
    for name, array in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def float_model(values: dict[str, Array]) -> bytes:
    return parse(FLOAT, values)


def training_graph(recipe: Recipe, values: dict[str, Array]) -> bytes:
    gradients = {"head.weight": "weight_gradient", "head.bias": "bias_gradient"}
    update = SGD if recipe.optimiser == "sgd" else ADAM
    updates = "".join(update.format(i=i, p=p, g=g) for i, (p, g) in enumerate(gradients.items()))
    specs = {"head.weight": f"float[C, {CHANNELS}]", "head.bias": "float[C]"}
    suffixes = ["", ".momentum"]
    if recipe.optimiser == "adam":
        suffixes, updates = ["", ".first_moment", ".second_moment"], ADAM_STEP + updates
    changed = {f"{p}{s}": spec for p, spec in specs.items() for s in suffixes}
    if recipe.optimiser == "adam":
        changed["learn.step"] = "int64"
    inputs = {"learn.labels": "int64[N]", "learn.rate": "float"} | changed
    if recipe.is_dropped:
        inputs["features.random"] = f"float[N, {CHANNELS}]"
    outputs = {"learn.loss": "float", "learn.gradient_norm": "float", "logits": "float[N, C]"}
    outputs |= {f"{name}.next": spec for name, spec in changed.items()}
    outputs["logits.range"] = "float[2]"
    text = f"""
<ir_version: 8, opset_import: ["" : 18]>
training (float[N, 3, {SIZE}, {SIZE}] input, {_listed(inputs)}) => ({_listed(outputs)}) {{
    {FEATURES}
    {DROPOUT if recipe.is_dropped else "used = Identity (features)"}
    {LOSS}
    {updates}
}}
"""
    constants: dict[str, Any] = {
        "one": np.array([1]),
        "zero": np.array([0]),
        "off_on": np.array([0, 1], np.float32),
        "decay": np.float32(recipe.weight_decay),
        "momentum": np.float32(recipe.momentum),
        "conv.weight": values["conv.weight"],
        "conv.bias": values["conv.bias"],
    }
    if recipe.optimiser == "adam":
        beta_1, beta_2 = 0.9, 0.999
        betas = {"beta_1": beta_1, "beta_2": beta_2, "rest_1": 1 - beta_1, "rest_2": 1 - beta_2}
        others = {"unit": 1.0, "epsilon": 1e-8}
        constants |= {name: np.float32(value) for name, value in (betas | others).items()}
        constants["one_step"] = np.array(1)
    if recipe.is_dropped:
        constants |= {"dropped": np.float32(DROPPED), "share": np.float32(1 - DROPPED)}
    return parse(text, constants)


def _listed(specs: dict[str, str]) -> str:
    return ", ".join(f"{spec} {name}" for name, spec in specs.items())


def features_of(images: Array, values: dict[str, Array]) -> Array:
    """Features (N, CHANNELS) in float64, by a loop over the kernel."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    weight = values["conv.weight"].astype(np.float64)
    sums = sum(
        np.einsum("oc,nchw->nohw", weight[..., y, x], padded[..., y : y + SIZE, x : x + SIZE])
        for y in range(3)
        for x in range(3)
    )
    result: Array = np.maximum(sums + values["conv.bias"][:, None, None], 0).mean(axis=(2, 3))
    return result


def head_gradient(
    features: Array, labels: Array, weight: Array, bias: Array
) -> tuple[float, Array, Array]:
    """Loss, gradient of weight and bias of softmax cross-entropy, in float64."""
    logits = features @ weight.T.astype(np.float64) + bias
    shifted = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(labels)), labels]).mean()
    slope = (p - np.eye(len(bias))[labels]) / len(labels)
    return float(loss), slope.T @ features, slope.sum(axis=0)


def golden_file(recipe: Recipe, values: dict[str, Array]) -> bytes:
    images, labels = pictures(4, seed=9)
    features = features_of(images, values)
    tensors: dict[str, Any] = {"input": images, "learn.labels": labels}
    if recipe.is_dropped:
        random = np.random.default_rng(2).random(features.shape, np.float32)
        tensors["features.random"] = random
        features = features * (random >= DROPPED) / (1 - DROPPED)
    loss, *gradients = head_gradient(features, labels, values["head.weight"], values["head.bias"])
    tensors["learn.loss"] = np.float32(loss)
    for name, gradient in zip(("head.weight", "head.bias"), gradients, strict=True):
        flat = gradient.ravel()
        tensors[f"{name}.index"] = np.arange(flat.size)
        tensors[f"{name}.gradient"] = flat.astype(np.float32)
        tensors[f"{name}.norm"] = np.float32(np.linalg.norm(flat))
    return write_safetensors({name: np.asarray(array) for name, array in tensors.items()})


def learning_contents(
    recipe: Recipe = HEAD, values: dict[str, Array] | None = None
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and files of a sound bundle whose head can be learnt."""
    values = weights() if values is None else values
    images, _ = pictures(3, seed=5)
    answers = [
        features_of(image[None], values) @ values["head.weight"].T + values["head.bias"]
        for image in images
    ]
    files = {
        "model.onnx": float_model(values),
        "model.train.onnx": training_graph(recipe, values),
        "model.train.safetensors": write_safetensors(
            {name: values[name] for name in ("head.weight", "head.bias")}
        ),
        "golden/train.safetensors": golden_file(recipe, values),
        "labels.txt": "".join(f"{label}\n" for label in LABELS).encode(),
    }
    for index, (image, answer) in enumerate(zip(images, answers, strict=True)):
        files[f"golden/{index}.input.npy"] = npy(image[None])
        files[f"golden/{index}.output0.npy"] = npy(answer.astype(np.float32))
    group = ChannelGroup(
        1, ((0, CLASSES),), float(np.min(answers)), float(np.max(answers)), None, None
    )
    momentum = recipe.momentum if recipe.optimiser == "sgd" else 0.0
    training = Training(
        graph="model.train.onnx",
        values="model.train.safetensors",
        golden="golden/train.safetensors",
        backbone="fp32",
        loss="cross_entropy",
        optimiser=recipe.optimiser,
        learning_rate=0.1,
        momentum=momentum,
        weight_decay=recipe.weight_decay,
        state=state_of(recipe.optimiser, momentum, (WEIGHT, BIAS)),
        random=(TensorSpec("features.random", "float32", (None, CHANNELS)),)
        if recipe.is_dropped
        else (),
        head=Head("head.weight", "head.bias"),
        quantised=(QuantisedLayer("head.weight", "head.bias", "features.scale", 0, 8),)
        if recipe.is_int8
        else (),
        ranges=(SeenRange("logits", "logits.scale", "logits.zero_point"),),
        is_int8_written=recipe.is_int8,
    )
    manifest = Manifest(
        name="brightest",
        inputs=(INPUT,),
        outputs=(TensorSpec("logits", "float32", (None, CLASSES)),),
        artefacts=(Artefact("model.onnx", "onnx", "fp32"),),
        files={},
        preprocess=Preprocess(
            "RGB", (SIZE, SIZE), "bilinear", None, 1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        ),
        postprocess=Postprocess(softmax=True, labels="labels.txt"),
        golden=tuple(
            Golden(
                {"input": f"golden/{index}.input.npy"},
                {"logits": f"golden/{index}.output0.npy"},
            )
            for index in range(len(images))
        ),
        groups={"logits": (group,)},
        provenance={"command": "by hand"},
        task="classification",
        parameters=(WEIGHT, BIAS),
        training=training,
    )
    return (manifest, files) if not recipe.is_int8 else with_int8(manifest, files, values)


def with_norm() -> tuple[Manifest, dict[str, bytes], Callable[[Array, float], Array]]:
    """A bundle whose convolution holds a norm folded, and what it answers after one step.

    The training graph doubles the norm's factor and moves its mean by the learning rate: no
    gradient, but each has its place in the folded weight.
    """
    values = weights()
    rng = np.random.default_rng(8)
    norm = {
        "norm.gamma": rng.random(CHANNELS, np.float32) + np.float32(0.5),
        "norm.beta": rng.normal(size=CHANNELS).astype(np.float32),
        "norm.mean": np.full(CHANNELS, 0.25, np.float32),
        "norm.variance": rng.random(CHANNELS, np.float32) + np.float32(0.5),
    }

    def folded(gamma: Array, mean: Array) -> dict[str, Array]:
        scale = gamma / np.sqrt(norm["norm.variance"] + 1e-5)
        return values | {
            "conv.weight": (values["conv.weight"].T * scale).T.astype(np.float32),
            "conv.bias": (norm["norm.beta"] - scale * mean).astype(np.float32),
        }

    def expected(images: Array, rate: float) -> Array:
        after = folded(2 * norm["norm.gamma"], norm["norm.mean"] + np.float32(rate))
        result: Array = features_of(images, after) @ values["head.weight"].T + values["head.bias"]
        return result

    manifest, files = learning_contents(Recipe(), folded(norm["norm.gamma"], norm["norm.mean"]))
    assert manifest.training is not None
    vector = {name: TensorSpec(name, "float32", (CHANNELS,)) for name in norm}
    training = replace(
        manifest.training,
        momentum=0.0,
        weight_decay=0.0,
        state=(),
        statistics=(vector["norm.mean"],),
        head=None,
        ranges=(),
        folded=(
            FoldedNorm(
                *("conv.weight", None, "norm.gamma", "norm.beta", "norm.mean", "norm.variance"),
                *(1e-5, 0, "conv.weight", "conv.bias"),
            ),
        ),
    )
    files["model.train.onnx"] = parse(
        NORM,
        {"head.weight": values["head.weight"], "head.bias": values["head.bias"]}
        | folded(norm["norm.gamma"], norm["norm.mean"]),
    )
    files["model.train.safetensors"] = write_safetensors(
        norm | {"conv.weight": values["conv.weight"]}
    )
    golden: dict[str, Any] = {
        "input": pictures(1)[0],
        "learn.labels": np.array([0]),
        "learn.loss": np.float32(0),
        "norm.gamma.index": np.array([0]),
        "norm.gamma.gradient": np.zeros(1, np.float32),
        "norm.gamma.norm": np.float32(0),
    }
    files["golden/train.safetensors"] = write_safetensors(
        {name: np.asarray(array) for name, array in golden.items()}
    )
    parameters = (vector["norm.gamma"],)
    return replace(manifest, parameters=parameters, training=training), files, expected


NORM = f"""
<ir_version: 8, opset_import: ["" : 18]>
training (float[N, 3, {SIZE}, {SIZE}] input, int64[N] learn.labels, float learn.rate,
          float[{CHANNELS}] norm.gamma, float[{CHANNELS}] norm.mean)
=> (float learn.loss, float learn.gradient_norm, float[N, {CLASSES}] logits,
    float[{CHANNELS}] norm.gamma.next, float[{CHANNELS}] norm.mean.next) {{
    {FEATURES}
    logits = Gemm <transB = 1> (features, head.weight, head.bias)
    labels = Cast <to = 1> (learn.labels)
    learn.loss = ReduceMean <keepdims = 0> (labels)
    learn.gradient_norm = ReduceL2 <keepdims = 0> (labels)
    norm.gamma.next = Add (norm.gamma, norm.gamma)
    norm.mean.next = Add (norm.mean, learn.rate)
}}
"""


def with_int8(
    manifest: Manifest, files: dict[str, bytes], values: dict[str, Array]
) -> tuple[Manifest, dict[str, bytes]]:
    """The same with a QDQ graph, and its SQNR."""
    from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
    from edgecnn_runtime.parity.difference import Answer, compare
    from edgecnn_runtime.parity.tolerances import listed_db

    files = files | {"model.int8.onnx": int8_model(values)}
    engine = OnnxRuntimeEngine.open(files["model.int8.onnx"])
    images, _ = pictures(3, seed=5)
    answers = []
    for index, image in enumerate(images):
        reference = np.frombuffer(files[f"golden/{index}.output0.npy"][-4 * CLASSES :], "<f4")
        actual = engine.run({"input": image[None]})["logits"]
        answers.append(Answer("logits", reference[None], actual))
    artefact = Artefact(
        "model.int8.onnx",
        "onnx",
        "int8",
        sqnr_db=listed_db(compare(answers, manifest.groups)),
    )
    return replace(manifest, artefacts=(artefact, *manifest.artefacts)), files


def int8_model(values: dict[str, Array]) -> bytes:
    """The network as a QDQ graph, in the names that edgecnn's exporter gives."""
    images, _ = pictures(64, seed=6)
    features = features_of(images, values)
    logits = features @ values["head.weight"].T + values["head.bias"]
    spans = {"input": (0.0, 1.0), "features": (0.0, features.max())}
    spans["logits"] = (min(logits.min(), 0.0), max(logits.max(), 0.0))
    constants: dict[str, Any] = {}
    for name, (low, high) in spans.items():
        scale = np.float32((high - low) / 255)
        constants[f"{name}.scale"] = scale
        constants[f"{name}.zero_point"] = np.uint8(np.rint(-low / scale))
    for name, source in (("conv", "input"), ("head", "features")):
        weight, bias = values[f"{name}.weight"], values[f"{name}.bias"]
        axes = tuple(range(1, weight.ndim))
        scale = (np.abs(weight).max(axis=axes) / 127).astype(np.float32)
        steps = np.rint(weight / scale.reshape(-1, *[1] * len(axes))).astype(np.int8)
        sums = constants[f"{source}.scale"] * scale
        for part, integers, factor in (
            ("weight", steps, scale),
            ("bias", np.rint(bias / sums).astype(np.int32), sums),
        ):
            stem = f"{name}.{part}.quantised"
            constants[stem] = integers
            constants[f"{stem}.scale"] = factor
            constants[f"{stem}.zero_point"] = np.zeros(len(factor), integers.dtype)
    return parse(INT8, constants)


def _pair(name: str) -> str:
    ends = f"{name}.scale, {name}.zero_point"
    return f"""
    {name}.quantised = QuantizeLinear ({name}, {ends})
    {name}.dequantised = DequantizeLinear ({name}.quantised, {ends})
"""


def _constant(name: str) -> str:
    return f"""
    {name}.reals = DequantizeLinear <axis = 0>
        ({name}.quantised, {name}.quantised.scale, {name}.quantised.zero_point)
"""


INT8 = f"""
<ir_version: 8, opset_import: ["" : 18]>
network (float[N, 3, {SIZE}, {SIZE}] input) => (float[N, {CLASSES}] logits) {{
    {_pair("input")}
    {_constant("conv.weight")}
    {_constant("conv.bias")}
    convolved = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]>
        (input.dequantised, conv.weight.reals, conv.bias.reals)
    rectified = Relu (convolved)
    pooled = GlobalAveragePool (rectified)
    features = Flatten <axis = 1> (pooled)
    {_pair("features")}
    {_constant("head.weight")}
    {_constant("head.bias")}
    logits.float = Gemm <transB = 1> (features.dequantised, head.weight.reals, head.bias.reals)
    logits.quantised = QuantizeLinear (logits.float, logits.scale, logits.zero_point)
    logits = DequantizeLinear (logits.quantised, logits.scale, logits.zero_point)
}}
"""
