"""Batches of images: lists, tuples, arrays of four axes; a single image as a batch of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.array_image import ChannelOrder, as_array
from edgecnn_runtime.image.load import ImageSource, load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

# Images that run at once, at most: ten megabytes of input at 224x224.
AT_ONCE = 16

ImageBatch: TypeAlias = "list[Any] | tuple[Any, ...]"


@dataclass(frozen=True)
class Images:
    """Images that are not loaded yet, in order.

    Attributes:
        is_batch: a batch was given, perhaps of one; False: a single image.
    """

    sources: Sequence[Any]
    is_batch: bool

    def __len__(self) -> int:
        return len(self.sources)

    def inputs(
        self, start: int, stop: int, colour: ChannelOrder, spec: Preprocess
    ) -> list[Float32]:
        """Inputs of batch 1 of the images from `start` up to `stop`, loaded and preprocessed.

        Raises:
            ImageError: as `load_image` and `preprocess` say; names the place in a batch.
        """
        made = []
        for index in range(start, min(stop, len(self))):
            try:
                made.append(preprocess(load_image(self.sources[index], colour), spec))
            except ImageError as error:
                if not self.is_batch:
                    raise
                raise ImageError(f"image {index} of the batch of {len(self)}: {error}") from error
        return made


def split_batch(source: ImageSource | ImageBatch) -> Images:
    """The images of a batch, or the one image.

    Args:
        source: a list or tuple of images, an array (N, H, W, C), a tensor (N, C, H, W); an image.

    Raises:
        ImageError: the batch is empty, or a pair as ``cv2.VideoCapture.read`` returns it.
    """
    batch: Sequence[Any]
    if isinstance(source, list | tuple):
        batch = source
    else:
        array = as_array(source) if getattr(source, "ndim", 0) == 4 else None
        if array is None:
            return Images((source,), is_batch=False)
        batch = list(array)
    if len(batch) == 2 and isinstance(batch[0], bool | np.bool_):
        raise ImageError(
            f"image is a pair ({batch[0]}, {type(batch[1]).__name__}), as cv2's read() returns it; "
            "pass its second part: ok, frame = camera.read()"
        )
    if not batch:
        raise ImageError("the batch holds no images, expected one or more; look at what made it")
    return Images(batch, is_batch=True)


def stack(inputs: Sequence[Float32], size: int | None = None) -> Float32:
    """Inputs of batch 1 as one array; of a fixed batch `size`, filled up with the last of them.

    Raises:
        ImageError: they differ in shape, as images of other proportions do without a crop.
    """
    filled = [*inputs, *[inputs[-1]] * ((size or 0) - len(inputs))]
    if len(filled) == 1:
        return filled[0]
    shapes = dict.fromkeys(each.shape[1:] for each in inputs)
    if len(shapes) > 1:
        raise ImageError(
            f"images of the batch become inputs of {' and '.join(map(str, list(shapes)[:2]))}; "
            "crop them to the same proportions, or pass one at a time"
        )
    return np.concatenate(filled)
