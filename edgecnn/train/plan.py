"""Options of ``edgecnn train`` to a training job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn.model.description import Description
from edgecnn.model.resolve import find_architecture
from edgecnn.train.options import TrainOptions
from edgecnn.train.recipe import RECIPES, Recipe
from edgecnn.zoo import Architecture, Form

if TYPE_CHECKING:
    from edgecnn.train.loop import TrainingJob

# Images no larger than this take the small stem by default.
SMALL = 64


def make_recipe(architecture: Architecture, changes: Mapping[str, Any]) -> Recipe:
    """The family's recipe with the user's changes.

    Raises:
        RecipeInvalid: an augmentation that there is not.
    """
    return replace(RECIPES[architecture.family], **changes)


def prepare(options: TrainOptions) -> tuple[TrainingJob, tuple[str, ...]]:
    """The network, its data and its recipe, ready to be trained, and notes for the user.

    Raises:
        UnknownModel, ModelUnusable: no such network, or no such form of it.
        DataUnreadable, FetchError: the data cannot be had.
        CheckpointUnreadable, CheckpointMismatch: `init_from` is of no use.
    """
    if options.is_quantised:
        from edgecnn.train.quantised import prepare_quantised

        return prepare_quantised(options)
    import torch

    from edgecnn.data.named import side_of
    from edgecnn.train.data import check_labels, open_dataset
    from edgecnn.train.loop import TrainingJob
    from edgecnn.zoo.analysis.smallest_input import check_size

    architecture = find_architecture(options.name)
    recipe = make_recipe(architecture, options.recipe)
    form = _with_stem(architecture, options.form, side_of(options.data))
    shape = options.shape or architecture.input_of(form)
    architecture.check(form)
    dataset = open_dataset(
        options.data, shape, is_strict=options.is_strict, seed=recipe.seed, quiet=options.quiet
    )
    form = replace(form, classes=form.classes or len(dataset.labels))
    check_labels(dataset, form.classes or 0)
    torch.manual_seed(recipe.seed)
    network = architecture.build(**vars(form))
    check_size(network, shape)
    notes = dataset.notes
    if options.init_from is not None:
        from edgecnn.train.initialise import initialise

        notes += initialise(
            network, options.init_from, architecture.name, is_head_reset=options.is_head_reset
        )
    description = Description(
        architecture=architecture.name,
        form=form,
        input=shape,
        data=dataset.name,
        preprocess=dataset.preprocess,
        labels=dataset.labels,
        training={},
    )
    job = TrainingJob(
        network, recipe, dataset, options.output, description.to_json(), options.is_resumed
    )
    return job, notes


def _with_stem(architecture: Architecture, form: Form, side: int | None) -> Form:
    """The small stem for small images, where the network has one and no stem was chosen."""
    is_small = side is not None and side <= SMALL and architecture.input[0] == 3
    if form.stem is None and is_small and "stem" in architecture.options:
        return replace(form, stem="small")
    return form
