"""Quantisation-aware training: a float network is trained on as it runs in 8 bits.

The forward pass is that of the QDQ graph that `edgecnn export` writes (Jacob et al. 2018, section
3); scales are learnt (Esser et al. 2020), and the network is held to a float teacher (Hinton et al.
2015, "Distilling the Knowledge in a Neural Network").
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from edgecnn.errors import CheckpointMismatch
from edgecnn.model.build import build_network
from edgecnn.model.description import Description
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import Factory, TorchSource, ZooNetwork, find_architecture
from edgecnn.model.trained_numbers import KEY, has_trained, tensors_of, to_json
from edgecnn.progress_bar import bar
from edgecnn.train.augment import Augmenter
from edgecnn.train.batches import Batch
from edgecnn.train.data import check_labels, open_dataset
from edgecnn.train.dataset import Dataset
from edgecnn.train.initialise import IN_EIGHT_BITS
from edgecnn.train.loop import TrainingJob
from edgecnn.train.method import Supervised, Tensors
from edgecnn.train.recipe import QUANTISED, RECIPES, Recipe
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    from edgecnn.train.options import TrainOptions
    from edgecnn_exporters.quantise.trainable.begin import QuantisedTraining

# Training images that calibrate the network with which the training begins.
SAMPLES = 128
# Of the loss: the share of the labels; the rest is the teacher's.
LABELS = 0.1
TEMPERATURE = 2.0


class Distilled:
    """The teacher's class probabilities, and a little of the labels.

    ``(1 - λ) T² KL(teacher ‖ student)`` of probabilities at temperature T, plus λ times the
    cross-entropy (Hinton et al. 2015, section 2).
    """

    # Values of 8 bits times a scale are not numbers of bfloat16.
    is_mixed = False

    def __init__(self, training: QuantisedTraining, teacher: nn.Module, recipe: Recipe) -> None:
        self.training = training
        # Images lie in memory channels last. The stub of `to` does not know the argument.
        self.teacher = teacher.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.labels = Supervised(recipe)

    def loss(self, outputs: torch.Tensor | tuple[torch.Tensor, ...], batch: Batch) -> torch.Tensor:
        """The loss of a batch; of several outputs the first are the logits."""
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        with torch.no_grad():
            expected = self.teacher.to(batch.x.device)(batch.x)
            expected = expected[0] if isinstance(expected, tuple) else expected
        divergence = nn.functional.kl_div(
            (logits / TEMPERATURE).log_softmax(1),
            (expected / TEMPERATURE).log_softmax(1),
            log_target=True,
            reduction="batchmean",
        )
        distilled = TEMPERATURE**2 * divergence
        return (1 - LABELS) * distilled + LABELS * self.labels.loss(logits, batch)

    def kept(self, network: nn.Module) -> tuple[Tensors, Mapping[str, Any]]:
        """The float network's weights as they are rounded, and the scales of its 8-bit form."""
        state, trained = self.training.trained()
        return {**state, **tensors_of(trained)}, {KEY: to_json(trained)}


def prepare_quantised(options: TrainOptions) -> tuple[TrainingJob, tuple[str, ...]]:
    """The 8-bit network that a float checkpoint becomes, ready to be trained, and notes.

    Raises:
        CheckpointMismatch: `init_from` is of another network or quantised, or the teacher has other
            classes or another input.
        EdgeCNNError: as `build_network`, `open_dataset` and the quantisation say.
    """
    from edgecnn_exporters.quantise.trainable.begin import begin

    assert options.init_from is not None
    student = _student(options)
    recipe = replace(_recipe(options), **options.recipe)
    dataset = _dataset(options, student, recipe.seed)
    description = _describe(options, student, dataset)
    teacher = student.module if options.teacher is None else _teacher(options, description)
    samples = _samples(dataset, student.shape, recipe.seed)
    for path, network in ((options.init_from, student.module), (options.teacher, teacher)):
        _check_outputs(network, samples[0], path or options.init_from, dataset)
    with bar("quantise", quiet=options.quiet) as show:
        training = begin(student.module, samples, progress=lambda step: show)
    score = training.quantised.score
    notes = (
        *student.notes,
        *dataset.notes,
        f"begins with {options.init_from.name} in 8 bits: SQNR {score.sqnr_db:.1f} dB, top-1 as in "
        f"float for {score.top1_agreement:.1%} of {score.n} training images",
    )
    job = TrainingJob(
        training.network,
        recipe,
        dataset,
        options.output,
        description.to_json() | {"quantised": _origins(options)},
        options.is_resumed,
        Distilled(training, teacher, recipe),
    )
    return job, notes


def _student(options: TrainOptions) -> Network:
    path = options.init_from
    assert path is not None
    if has_trained(path):
        raise CheckpointMismatch(f"{path} {IN_EIGHT_BITS}")
    network = NetworkOptions(str(path), options.shape, options.form, options.quiet)
    return build_network(_source(options.name), network)


def _source(name: str) -> TorchSource:
    return Factory(name) if ":" in name else ZooNetwork(find_architecture(name))


def _recipe(options: TrainOptions) -> Recipe:
    if ":" in options.name:
        return QUANTISED
    family = RECIPES[find_architecture(options.name).family]
    return replace(QUANTISED, augmentation=family.augmentation, batch_size=family.batch_size)


def _dataset(options: TrainOptions, student: Network, seed: int) -> Dataset:
    """The data, normalised as the network reads it."""
    dataset = open_dataset(
        options.data, student.shape, is_strict=options.is_strict, seed=seed, quiet=options.quiet
    )
    classes = len(student.labels or dataset.labels)
    if classes != len(dataset.labels):
        raise CheckpointMismatch(
            f"{options.init_from} tells {classes} classes apart, {dataset.name} has "
            f"{len(dataset.labels)}; train the float network on it first"
        )
    check_labels(dataset, classes)
    own = student.preprocess
    if own is None:
        return dataset
    read = replace(dataset.preprocess, scale=own.scale, mean=own.mean, std=own.std)
    return replace(dataset, preprocess=read)


def _check_outputs(network: nn.Module, sample: Float32, path: Path, dataset: Dataset) -> None:
    """Check that a network gives a number for each class of the data."""
    with torch.no_grad():
        outputs = network.eval()(torch.from_numpy(sample))
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != (1, len(dataset.labels)):
        raise CheckpointMismatch(
            f"the network of {path} answers one image with {shape}, expected "
            f"(1, {len(dataset.labels)}), a number for each class of {dataset.name}"
        )


def _describe(options: TrainOptions, student: Network, dataset: Dataset) -> Description:
    return Description(
        architecture=options.name,
        form=student.form or options.form,
        input=student.shape,
        data=dataset.name,
        preprocess=dataset.preprocess,
        labels=dataset.labels,
        training={},
    )


def _teacher(options: TrainOptions, student: Description) -> nn.Module:
    """The teacher's network: a checkpoint that says which, or one of the student's own."""
    from edgecnn.model.description import read_description

    path = options.teacher
    assert path is not None
    described = read_description(path) if path.is_file() else None
    source = _source(options.name if described is None else described.architecture)
    form = options.form if described is None else described.form
    teacher = build_network(source, NetworkOptions(str(path), student.input, form, options.quiet))
    labels = teacher.labels
    if labels is not None and labels != student.labels:
        raise CheckpointMismatch(
            f"the teacher {path} tells {_some(labels)} apart, the network {_some(student.labels)}; "
            "both need the same classes in the same order"
        )
    own = teacher.preprocess
    if described is not None and own is not None:
        theirs, ours = ((p.scale, p.mean, p.std) for p in (own, student.preprocess))
        if theirs != ours or described.input != student.input:
            raise CheckpointMismatch(
                f"the teacher {path} reads {described.input} normalised by {theirs}, the network "
                f"{student.input} by {ours}; both need the same input"
            )
    return teacher.module


def _some(labels: tuple[str, ...]) -> str:
    return f"{len(labels)} classes ({', '.join(labels[:3])}, …)"


def _origins(options: TrainOptions) -> dict[str, str]:
    """What the training began with and learnt from, by digest."""
    paths = {"init_from": options.init_from, "teacher": options.teacher}
    return {name: _digest(path) for name, path in paths.items() if path is not None}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _samples(dataset: Dataset, shape: tuple[int, int, int], seed: int) -> list[Float32]:
    """Training images as the network reads them, unaugmented: (1, C, H, W) each."""
    order = np.random.default_rng(seed).permutation(len(dataset.train))[:SAMPLES]
    augmenter = Augmenter(dataset.preprocess, shape[1:], (), torch.zeros(3, 3))
    images = np.ascontiguousarray(augmenter(dataset.train.images.read(order), None).numpy())
    return np.split(images, len(images))
