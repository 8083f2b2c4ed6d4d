"""Write torchvision_keys.json: what torchvision calls each weight of our networks, and its shape.

    python tests/golden/make_torchvision_keys.py

One module a line, in the order of the state dict: ``"64x3x7x7"`` has a weight of that shape,
``"1000x512 bias"`` also a bias of its first extent, ``"bn 64"`` the five entries of a batch norm.
The networks are torchvision's own, from its wheel; nothing of ours is asked.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import tempfile
import zipfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.fetch import cache_folder
from edgecnn.fetch.catalogue import Package
from edgecnn.fetch.packages import download_package

if TYPE_CHECKING:
    import torch

VERSION = "0.28.0"
TARGET = Path(__file__).with_name("torchvision_keys.json")

# Smallest first.
FAMILIES: dict[str, tuple[str, ...]] = {
    "alexnet": ("alexnet",),
    "vgg": tuple(f"vgg{depth}{bn}" for depth in (11, 13, 16, 19) for bn in ("", "_bn")),
    "googlenet": ("googlenet",),
    "resnet": tuple(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    "densenet": tuple(f"densenet{depth}" for depth in (121, 169, 201, 161)),
    "mobilenet_v2": ("mobilenet_v2",),
    "mobilenet_v3": ("mobilenet_v3_small", "mobilenet_v3_large"),
    "efficientnet": tuple(f"efficientnet_b{index}" for index in range(8)),
}

_BATCH_NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


@functools.cache
def import_torchvision() -> Any:
    """The Python sources of torchvision's wheel, imported; the same module each time.

    Without its compiled operators: they want one build of PyTorch and serve detection only.

    Raises:
        SourceFailed: the wheel is not in the cache, and pip cannot fetch it.
    """
    folder = str(_sources())
    _define_operators()
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("torchvision")
    finally:
        sys.path.remove(folder)


@functools.cache  # they go when the library does
def _define_operators() -> torch.library.Library:
    """torchvision describes these two to PyTorch while it is imported, so they have to exist."""
    import torch

    signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    # torch gives these no types.
    operators = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        operators.define(name + signature)  # type: ignore[no-untyped-call]
    return operators


def build_published(name: str) -> torch.nn.Module:
    """torchvision's network of that name on the meta device: shapes, no weights."""
    import torch

    # Drawing GoogLeNet's weights takes half a minute and warns; on the meta device there are none.
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        network: torch.nn.Module = import_torchvision().models.get_model(
            name, weights=None, **options
        )
    return network


def condense(weights: dict[str, torch.Tensor]) -> dict[str, str]:
    """Module → form, as the docstring of this file has them.

    Raises:
        ValueError: the entries of a module have none of the forms, or do not lie side by side.
    """
    forms: dict[str, str] = {}
    for module, keys in groupby(weights, key=lambda key: key.rpartition(".")[0]):
        shapes = {key.rpartition(".")[2]: tuple(weights[key].shape) for key in keys}
        first = shapes.get("weight", ())
        extents = "x".join(map(str, first))
        if list(shapes) == _BATCH_NORM and list(shapes.values()) == [first] * 4 + [()]:
            form = f"bn {extents}"
        elif list(shapes) == ["weight"]:
            form = extents
        elif list(shapes) == ["weight", "bias"] and shapes["bias"] == first[:1]:
            form = f"{extents} bias"
        else:
            raise ValueError(f"no form for {module} with {shapes}")
        if module in forms:
            raise ValueError(f"the entries of {module} do not lie side by side")
        forms[module] = form
    return forms


def _sources() -> Path:
    """A folder with torchvision's Python files, in the cache; fetched once."""
    folder = cache_folder() / f"torchvision-{VERSION}-sources"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        wheel = download_package(Package("pip", f"torchvision=={VERSION}", ""), Path(scratch))
        made = Path(scratch) / "sources"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(made, [name for name in archive.namelist() if name.endswith(".py")])
        try:
            made.rename(folder)
        except OSError:
            # Another process was first, and its folder is as good.
            if not folder.exists():
                raise
    return folder


def main() -> None:
    names = [name for family in FAMILIES.values() for name in family]
    forms = {name: condense(build_published(name).state_dict()) for name in names}
    TARGET.write_text(json.dumps(forms, indent=0) + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(forms)} networks of torchvision {VERSION}")


if __name__ == "__main__":
    main()
