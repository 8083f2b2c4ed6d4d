"""Training section of a manifest: the training graph of a bundle, and what is learnt with it.

docs/bundle.md specifies the JSON, docs/learning.md the graph. `edgecnn_runtime.manifest` holds a
`Training` beside the artefacts; its parameters are `Manifest.parameters`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from edgecnn_runtime.tensor_spec import TensorSpec

Loss = Literal["cross_entropy", "mean_squared_error", "binary_cross_entropy"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
Optimiser = Literal["sgd", "adam"]
OPTIMISERS: tuple[Optimiser, ...] = get_args(Optimiser)
Normalisation = Literal["frozen", "batch"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)

# Names of the training graph. An input NAME that a step changes has the output NAME + NEXT.
LABELS, RATE, STEP = "learn.labels", "learn.rate", "learn.step"
LOSS, GRADIENT_NORM = "learn.loss", "learn.gradient_norm"
NEXT = ".next"
# State of the optimisers, behind the name of a parameter.
MOMENTUM, FIRST_MOMENT, SECOND_MOMENT = ".momentum", ".first_moment", ".second_moment"
# Random numbers of a dropout, behind the name of its output: uniform in [0, 1).
RANDOM = ".random"
# Least and greatest of a value in a batch, behind its name: an output of shape (2,).
RANGE = ".range"
# Golden step, behind the name of a parameter: flat positions, the gradient there, its whole norm.
INDEX, GRADIENT, NORM = ".index", ".gradient", ".norm"
# Golden step of a bundle that has learnt since, behind the name of a parameter or statistic: its
# value at that step. Where it is absent, the step begins at the file of values.
START = ".start"


@dataclass(frozen=True)
class Head:
    """Layer that gives a value for each class: it can be made anew for other classes.

    Attributes:
        weight: parameter (classes, …).
        bias: parameter (classes,); None without one.
    """

    weight: str
    bias: str | None


@dataclass(frozen=True)
class FoldedNorm:
    """Batch normalisation that is learnt apart, and stands folded into a convolution's weight.

    ``weight' = weight * gamma / sqrt(variance + epsilon)`` along axis 0,
    ``bias' = (bias - mean) * gamma / sqrt(variance + epsilon) + beta``.

    Attributes:
        weight, bias, gamma, beta: names of parameters or of constants in the file of values; bias
            None without one.
        mean, variance: names of running statistics.
        epsilon: as in the formula.
        axis: of the output channels in the weight: 0, or 1 of a transposed convolution.
        folded_weight, folded_bias: initialisers of the float artefact.
    """

    weight: str
    bias: str | None
    gamma: str
    beta: str
    mean: str
    variance: str
    epsilon: float
    axis: int
    folded_weight: str
    folded_bias: str


@dataclass(frozen=True)
class QuantisedLayer:
    """Layer of the int8 artefact that is written anew from a learnt weight.

    Weights are symmetric integers per output channel; the bias is int32 at the scale of the input
    times the weight's.

    Attributes:
        weight, bias: initialisers of the float artefact; the int8 one has NAME.quantised,
            NAME.quantised.scale and NAME.quantised.zero_point. bias None without one.
        input_scale: initialiser with the scale of the layer's input.
        axis: of the output channels in the weight.
        bits: of the weight.
    """

    weight: str
    bias: str | None
    input_scale: str
    axis: int
    bits: int


@dataclass(frozen=True)
class SeenRange:
    """Value that the int8 artefact holds in 8 bits, whose range is measured while it learns.

    Attributes:
        value: the training graph's output NAME.range is its least and greatest in a batch.
        scale, zero_point: initialisers of the int8 artefact.
    """

    value: str
    scale: str
    zero_point: str


@dataclass(frozen=True)
class Training:
    """Training graph of a bundle: one step of learning as plain ONNX.

    Attributes:
        graph: path in the bundle of the training graph.
        values: path in the bundle of a safetensors file: parameters and statistics as they begin,
            constants of `folded`; of a bundle that has learnt, the state and `STEP` as well.
        golden: path in the bundle of a safetensors file: a golden step, as docs/learning.md says;
            None where it was stripped.
        backbone: precision of what is frozen before the learnt layers.
        loss, optimiser: of the step.
        momentum: of SGD.
        weight_decay: L2, added to each parameter's gradient.
        learning_rate: that a step takes unless it is told another.
        normalisation: statistics of batch normalisation: as they are, or of each batch.
        state: of the optimiser; begins as zeros unless the file of values has it.
        statistics: running means and variances, changed by each step.
        random: inputs of numbers that each step draws.
        head: layer of the classes; None: they cannot be replaced.
        folded: batch normalisations that the artefacts hold folded into a weight.
        quantised: layers of the int8 artefact that learning changes.
        ranges: values of the int8 artefact that are encoded by what was seen.
        is_int8_written: the int8 artefact can be written anew on the device.
    """

    graph: str
    values: str
    golden: str | None
    backbone: Literal["fp32", "int8"]
    loss: Loss
    optimiser: Optimiser
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    normalisation: Normalisation = "frozen"
    state: tuple[TensorSpec, ...] = ()
    statistics: tuple[TensorSpec, ...] = ()
    random: tuple[TensorSpec, ...] = ()
    head: Head | None = None
    folded: tuple[FoldedNorm, ...] = ()
    quantised: tuple[QuantisedLayer, ...] = ()
    ranges: tuple[SeenRange, ...] = ()
    is_int8_written: bool = False

    @property
    def least_batch(self) -> int:
        """Least number of images that makes a step: one image has no statistics of a batch."""
        return 2 if self.normalisation == "batch" else 1

    def to_json(self) -> dict[str, Any]:
        """The section as JSON values."""
        return asdict(self)

    @property
    def constants(self) -> tuple[str, ...]:
        """Names in `folded` that nothing changes unless they are parameters or statistics."""
        names = (
            name
            for norm in self.folded
            for name in (norm.weight, norm.bias, norm.gamma, norm.beta, norm.mean, norm.variance)
        )
        return tuple(dict.fromkeys(name for name in names if name is not None))


def state_of(
    optimiser: Optimiser, momentum: float, parameters: Iterable[TensorSpec]
) -> tuple[TensorSpec, ...]:
    """The state that an optimiser keeps for `parameters`: of SGD none without momentum."""
    suffixes = (
        (FIRST_MOMENT, SECOND_MOMENT) if optimiser == "adam" else (MOMENTUM,) * (momentum > 0)
    )
    specs = [
        TensorSpec(f"{each.name}{suffix}", each.dtype, each.shape)
        for each in parameters
        for suffix in suffixes
    ]
    steps = [TensorSpec(STEP, "int64", ())] if optimiser == "adam" else []
    return (*specs, *steps)
