"""Augmentation, each against what numpy makes of the same chance."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from edgecnn.train.augment import Augmenter, Draws, draw, principal_components
from edgecnn.train.recipe import AUGMENTATIONS
from edgecnn.zoo import CIFAR, IMAGENET, MNIST
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

# Grey levels as they are, so that a window can be told by its values.
LEVELS = replace(CIFAR, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
UNIT = replace(LEVELS, scale=1 / 255)
NO_COLOURS = torch.zeros(3, 3)
# 0.299, 0.587 and 0.114 of red, green and blue: ITU-R BT.601, section 2.5.1.
LUMA = np.array([0.299, 0.587, 0.114])


def pictures(count: int, height: int = 16, width: int = 16, channels: int = 3) -> np.ndarray:
    shape = (count, height, width, channels)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def draws(count: int, **chosen: object) -> Draws:
    """Chance that changes nothing, but for what is chosen."""
    return replace(
        Draws(
            shift=torch.full((count, 2), 0.5),
            flip=torch.zeros(count, dtype=torch.bool),
            jitter=torch.ones(count, 3),
            lighting=torch.zeros(count, 3),
            mix=1.0,
        ),
        **chosen,  # type: ignore[arg-type]  # the tests' own fields
    )


def augmented(
    images: np.ndarray,
    chance: Draws | None,
    *names: str,
    size: tuple[int, int] = (16, 16),
    components: torch.Tensor = NO_COLOURS,
    spec: Preprocess = LEVELS,
) -> np.ndarray:
    """(N, H, W, C), as the images lie."""
    augmenter = Augmenter(spec, size, names, components)
    return augmenter(torch.from_numpy(images), chance).permute(0, 2, 3, 1).numpy()


# Windows


@pytest.mark.parametrize(
    ("shift", "corner"),
    [
        ((0.0, 0.0), (0, 0)),
        ((0.5, 0.5), (2, 2)),
        ((0.999, 0.999), (4, 4)),
        # Five places share 0…1: the second begins at 0.2, the fifth at 0.8.
        ((0.19, 0.21), (0, 1)),
        ((0.79, 0.81), (3, 4)),
    ],
)
def test_a_crop_is_the_window_that_chance_names_of_a_padded_image(
    shift: tuple[float, float], corner: tuple[int, int]
) -> None:
    """16 pixels get an eighth, 2, on every side: as 32 get 4 in He et al. 2016, section 4.2."""
    images = pictures(2)
    found = augmented(images, draws(2, shift=torch.tensor([shift, (0.5, 0.5)])), "crop")
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    top, left = corner
    np.testing.assert_array_equal(found[0], padded[0, top : top + 16, left : left + 16])
    np.testing.assert_array_equal(found[1], images[1])


def test_a_larger_image_is_not_padded() -> None:
    images = pictures(3, 20, 18)
    shift = torch.tensor([(0.0, 0.0), (0.999, 0.999), (0.5, 0.0)])
    found = augmented(images, draws(3, shift=shift), "crop")
    for index, (top, left) in enumerate([(0, 0), (4, 2), (2, 0)]):
        np.testing.assert_array_equal(found[index], images[index, top : top + 16, left : left + 16])


def test_every_window_is_as_likely() -> None:
    """Rows tell the window: 5 places, 5,000 images, deviation √(5000·0.2·0.8) = 28."""
    rows = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None], (5000, 20, 16, 3))
    found = augmented(rows.copy(), draw(5000, 0.0, 3), "crop")
    counts = np.bincount(found[:, 0, 0, 0].astype(int))
    assert len(counts) == 5
    assert np.abs(counts - 1000).max() < 5 * 28


@pytest.mark.parametrize("padding", [(0, 0), (2, 3), (3, 4), (5, 7), (0, 1)])
@pytest.mark.parametrize("spec", [IMAGENET, CIFAR])
def test_without_chance_the_middle_window_is_what_the_device_sees(
    padding: tuple[int, int], spec: Preprocess
) -> None:
    images = pictures(3, 16 + padding[0], 16 + padding[1])
    found = augmented(images, None, *AUGMENTATIONS, spec=spec)
    for index in range(3):
        deployed = replace(spec, resize=None, crop=(16, 16))
        expected = preprocess(images[index], deployed)[0].transpose(1, 2, 0)
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=1e-6)


def test_without_names_chance_changes_nothing() -> None:
    images = pictures(4)
    np.testing.assert_array_equal(augmented(images, draw(4, 0.0, 0)), images)


def test_what_the_network_reads_has_its_channels_first_and_is_normalised() -> None:
    images = pictures(2, 28, 28, channels=1)
    x = Augmenter(MNIST, (28, 28), (), NO_COLOURS)(torch.from_numpy(images), None)
    assert (x.shape, x.dtype) == ((2, 1, 28, 28), torch.float32)
    expected = (images[1, 4, 5, 0] / 255 - 0.1307) / 0.3081
    assert float(x[1, 0, 4, 5]) == pytest.approx(expected, abs=1e-6)


def test_a_flip_changes_left_and_right_of_the_images_that_chance_names() -> None:
    images = pictures(3)
    found = augmented(images, draws(3, flip=torch.tensor([True, False, True])), "flip")
    np.testing.assert_array_equal(found[0], images[0, :, ::-1])
    np.testing.assert_array_equal(found[1], images[1])
    np.testing.assert_array_equal(found[2], images[2, :, ::-1])


# Colours


def test_jitter_with_factors_of_1_leaves_the_image() -> None:
    images = pictures(2)
    found = augmented(images, draws(2), "jitter", spec=UNIT)
    np.testing.assert_allclose(found, images / 255, rtol=0, atol=1e-6)


def test_jitter_is_brightness_then_contrast_then_saturation() -> None:
    images = pictures(3)
    factors = np.array([[0.6, 1.0, 1.0], [1.0, 1.4, 0.7], [1.3, 0.8, 1.2]])
    chance = draws(3, jitter=torch.tensor(factors, dtype=torch.float32))
    found = augmented(images, chance, "jitter", spec=UNIT)
    for index, (brightness, contrast, saturation) in enumerate(factors):
        x = images[index] / 255 * brightness
        mean = (x @ LUMA).mean()
        x = contrast * x + (1 - contrast) * mean
        grey = (x @ LUMA)[..., None]
        expected = np.clip(saturation * x + (1 - saturation) * grey, 0, 1)
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=2e-6)


def test_lighting_adds_the_components_as_chance_weighs_them() -> None:
    """The colours' eigenvectors times α times deviation, Krizhevsky et al. 2012, section 4.1."""
    images = pictures(2)
    sample = pictures(8)
    sample[..., 1] //= 2
    alpha = np.array([[0.1, -0.2, 0.05], [0.0, 0.3, -0.1]])
    chance = draws(2, lighting=torch.tensor(alpha, dtype=torch.float32))
    components = principal_components(torch.from_numpy(sample))
    found = augmented(images, chance, "lighting", components=components, spec=UNIT)
    values, vectors = np.linalg.eigh(np.cov(sample.reshape(-1, 3).T / 255))
    # An eigenvector's sign is anyone's choice.
    signs = np.sign((vectors * components.numpy()).sum(axis=0))
    for index in range(2):
        shift = vectors @ (signs * alpha[index] * np.sqrt(values))
        expected = images[index] / 255 + shift
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=1e-6)


def test_the_components_make_up_the_covariance_of_the_colours() -> None:
    sample = pictures(8)
    sample[..., 2] = sample[..., 0]
    components = principal_components(torch.from_numpy(sample)).numpy()
    covariance = np.cov(sample.reshape(-1, 3).T / 255)
    np.testing.assert_allclose(components @ components.T, covariance, atol=1e-6)


def test_grey_images_have_no_colours_to_change() -> None:
    images = pictures(4, 28, 28, channels=1)
    assert not principal_components(torch.from_numpy(images)).any()
    grey = replace(MNIST, scale=1.0, mean=(0.0,), std=(1.0,))
    chance = draw(4, 0.0, 0)
    found = augmented(images, chance, "jitter", "lighting", size=(28, 28), spec=grey)
    np.testing.assert_array_equal(found, images)


# Chance


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_the_draws_of_a_batch_depend_on_its_seed_alone(mixup: float) -> None:
    first = draw(64, mixup, 7)
    torch.manual_seed(1)
    np.random.default_rng(1).random(9)
    again, other = draw(64, mixup, 7), draw(64, mixup, 8)
    for field in fields(Draws):
        ours, theirs = getattr(first, field.name), getattr(again, field.name)
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs)), field.name
    assert not torch.equal(first.shift, other.shift)
    assert not torch.equal(first.jitter, other.jitter)
    assert (first.mix != other.mix) == (mixup > 0)


def test_draws_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    draw(16, 0.2, 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_have_the_ranges_that_they_are_said_to_have() -> None:
    found = draw(4000, 0.0, 0)
    assert found.mix == 1
    assert 0 <= float(found.shift.min()) < 0.01
    assert 0.99 < float(found.shift.max()) < 1
    assert 0.6 <= float(found.jitter.min()) < 0.61
    assert 1.39 < float(found.jitter.max()) <= 1.4
    # Means of 4,000: within five deviations of them.
    assert abs(float(found.flip.float().mean()) - 0.5) < 5 * 0.5 / 4000**0.5
    assert abs(float(found.lighting.mean())) < 5 * 0.1 / 12_000**0.5
    assert float(found.lighting.std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(("alpha", "deviation"), [(0.2, 0.4226), (1.0, 0.2887), (4.0, 0.1667)])
def test_the_share_of_mixup_is_beta_distributed(alpha: float, deviation: float) -> None:
    """Beta(α, α) has mean ½ and deviation ½ / √(2α + 1)."""
    shares = np.array([draw(1, alpha, seed).mix for seed in range(2000)])
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares.mean() == pytest.approx(0.5, abs=5 * deviation / 2000**0.5)
    assert shares.std() == pytest.approx(deviation, rel=0.1)


def test_a_part_of_a_batch_is_augmented_as_in_the_whole() -> None:
    images = pictures(6)
    components = principal_components(torch.from_numpy(images))
    chance, positions = draw(6, 0.0, 2), torch.tensor([4, 1])
    whole = augmented(images, chance, *AUGMENTATIONS, components=components, spec=CIFAR)
    part = augmented(
        images[positions.numpy()],
        chance.part(positions),
        *AUGMENTATIONS,
        components=components,
        spec=CIFAR,
    )
    np.testing.assert_allclose(part, whole[positions.numpy()], rtol=0, atol=1e-6)
    assert chance.part(positions).mix == chance.mix


def test_images_in_memory_stay_as_they_are() -> None:
    images = pictures(4)
    before = images.copy()
    components = principal_components(torch.from_numpy(images))
    augmented(images, draw(4, 0.0, 0), *AUGMENTATIONS, components=components, spec=UNIT)
    np.testing.assert_array_equal(images, before)
