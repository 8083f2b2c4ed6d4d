"""Augmentation of whole batches. The draws of a batch depend on its seed alone.

Every process draws for the whole batch and applies its own part, so that two processes see the
images that one would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from edgecnn_runtime.image.preprocess import centre
from edgecnn_runtime.manifest import Preprocess

PADDING = 1 / 8  # of the side, on each: 4 pixels at 32×32, He et al. 2016, section 4.2
JITTER = 0.4  # brightness, contrast and saturation change by up to this share
LIGHTING = 0.1  # deviation of α, Krizhevsky et al. 2012, section 4.1
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Draws:
    """Random draws for one batch of n images.

    Attributes:
        shift: (n, 2), rows and columns in 0…1, of the window that is cut out.
        flip: (n,), whether left and right change places.
        jitter: (n, 3), factors of brightness, contrast and saturation.
        lighting: (n, 3), α of the three principal components.
        mix: λ of mixup, one for the batch; 1 leaves the images as they are.
    """

    shift: torch.Tensor
    flip: torch.Tensor
    jitter: torch.Tensor
    lighting: torch.Tensor
    mix: float

    def part(self, positions: torch.Tensor) -> Draws:
        """The draws of the images at those positions of the batch."""
        return Draws(
            self.shift[positions],
            self.flip[positions],
            self.jitter[positions],
            self.lighting[positions],
            self.mix,
        )


def draw(count: int, mixup: float, seed: int) -> Draws:
    """Draw the random numbers for a batch of `count` images."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.rand(count, 2, generator=generator)
    flip = torch.rand(count, generator=generator) < 0.5
    jitter = 1 + JITTER * (2 * torch.rand(count, 3, generator=generator) - 1)
    lighting = LIGHTING * torch.randn(count, 3, generator=generator)
    mix = 1.0
    if mixup > 0:
        # Beta(α, α) as a ratio of two gammas; NumPy has the one with a seed.
        import numpy as np

        mix = float(np.random.default_rng(seed).beta(mixup, mixup))
    return Draws(shift, flip, jitter, lighting, mix)


@dataclass(frozen=True)
class Augmenter:
    """Augmentation of images in memory into the network's input.

    Attributes:
        size: (height, width) that the network reads.
        augmentation: names of `edgecnn.train.recipe.AUGMENTATIONS`.
        components: (3, 3), principal components of the colours, each as long as its deviation, in
            0…1; what `principal_components` says.
    """

    preprocess: Preprocess
    size: tuple[int, int]
    augmentation: tuple[str, ...]
    components: torch.Tensor

    def __call__(self, images: torch.Tensor, draws: Draws | None) -> torch.Tensor:
        """(N, H, W, C) uint8 → (N, C, height, width) float32, normalised.

        Without draws the window is the middle one and nothing else is changed: as deployed.
        """
        chosen = self.augmentation if draws is not None else ()
        if draws is not None and "crop" in chosen:
            images = self._crop(images, draws.shift)
        else:
            images = self._centre(images)
        if draws is not None and "flip" in chosen:
            images = torch.where(draws.flip[:, None, None, None], images.flip(2), images)
        x = images.float() * self.preprocess.scale
        for name in chosen:
            if draws is not None and name in _COLOURS and x.shape[-1] == 3:
                x = _COLOURS[name](x, draws, self.components)
        mean = torch.tensor(self.preprocess.mean)
        std = torch.tensor(self.preprocess.std)
        return ((x - mean) / std).permute(0, 3, 1, 2)

    def _crop(self, images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        """Random crops; images no larger than it are padded with zeros first."""
        height, width = self.size
        if images.shape[1:3] == self.size:
            margin = int(PADDING * min(self.size))
            images = torch.nn.functional.pad(images, (0, 0, *(margin,) * 4))
        rows = _places(shift[:, 0], images.shape[1] - height, height)
        columns = _places(shift[:, 1], images.shape[2] - width, width)
        batch = torch.arange(len(images))[:, None, None]
        return images[batch, rows[:, :, None], columns[:, None, :]]

    def _centre(self, images: torch.Tensor) -> torch.Tensor:
        rows, _ = centre(images.shape[1], self.size[0])
        columns, _ = centre(images.shape[2], self.size[1])
        return images[:, rows.start : rows.stop, columns.start : columns.stop]


def principal_components(images: torch.Tensor) -> torch.Tensor:
    """(3, 3): how the colours of (N, H, W, 3) uint8 images vary, in 0…1; zeros for grey ones."""
    if images.shape[-1] != 3:
        return torch.zeros(3, 3)
    colours = images.reshape(-1, 3).double() / 255
    values, vectors = torch.linalg.eigh(torch.cov(colours.T))
    components: torch.Tensor = vectors * values.clamp(min=0).sqrt()
    return components.float()


def _places(shift: torch.Tensor, room: int, size: int) -> torch.Tensor:
    first = (shift * (room + 1)).long().clamp(max=room)
    return first[:, None] + torch.arange(size)


def _jitter(x: torch.Tensor, draws: Draws, components: torch.Tensor) -> torch.Tensor:
    """Brightness, then contrast about the mean grey, then saturation about the pixel's grey."""
    brightness, contrast, saturation = draws.jitter[:, :, None, None, None].unbind(1)
    luma = torch.tensor(LUMA)
    x = x * brightness
    mean = (x @ luma).mean((1, 2))[:, None, None, None]
    x = (x - mean) * contrast + mean
    grey = (x @ luma)[..., None]
    return ((x - grey) * saturation + grey).clamp(0, 1)


def _light(x: torch.Tensor, draws: Draws, components: torch.Tensor) -> torch.Tensor:
    """Add multiples of the principal components, one per image (Krizhevsky et al. 2012, §4.1)."""
    return x + (draws.lighting @ components.T)[:, None, None, :]


_COLOURS: dict[str, Callable[[torch.Tensor, Draws, torch.Tensor], torch.Tensor]] = {
    "jitter": _jitter,
    "lighting": _light,
}
