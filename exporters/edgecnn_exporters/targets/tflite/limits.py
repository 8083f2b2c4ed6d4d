"""Size limit of a TFLite flatbuffer: 2 GiB of constants."""

from __future__ import annotations

from collections.abc import Mapping

from edgecnn_exporters.errors import UnsupportedModel

# Offsets are 32 bits, signed in many readers.
LARGEST = 2**31 - 2**20


def too_large(name: str) -> UnsupportedModel:
    """The error of a constant with which the file is too large."""
    return UnsupportedModel(
        f"{name}: with it the constants pass {LARGEST / 1e9:.1f} GB, the most that a TFLite file "
        "can hold; 16-bit weights or --quantize int8 make them smaller"
    )


def check_size(sizes: Mapping[str, int]) -> None:
    """Refuse constants of so many bytes, by their names, before any of them is read.

    Raises:
        UnsupportedModel: all of them together are more than a flatbuffer can hold.
    """
    total = 0
    for name, size in sizes.items():
        total += size
        if total > LARGEST:
            raise too_large(name)
