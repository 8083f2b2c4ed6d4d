"""Check that image files can be decoded here, before any of them is."""

from __future__ import annotations

from edgecnn.errors import PackageMissing
from edgecnn_runtime.engines import is_importable


def check_decoder(data: str) -> None:
    """Check that Pillow, which decodes the files of a folder of images, is installed.

    Raises:
        PackageMissing: it is not.
    """
    if not is_importable("PIL"):
        raise PackageMissing("Pillow", f"reading the images of {data}")
