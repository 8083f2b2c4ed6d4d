"""Image folders with one folder a class, and their split into training and test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data.decoder import check_decoder
from edgecnn.data.named import NAMED
from edgecnn.errors import DataUnreadable

FORMATS = ("jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "gif")
# The first that is there holds the test images.
TEST_FOLDERS = ("test", "val", "valid", "validation")
# Of each class, where no folder holds test images: one image in so many.
HELD_OUT = 10
# Names of files or classes in one message.
NAMES = 3

Classes = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class ClassFolders:
    """Image files by class, in the order of the classes' names.

    Attributes:
        test: of the same classes; empty where no folder holds test images.
        others: what lies in between and is no image of a class, hidden files left out.
    """

    train: Classes
    test: Classes
    others: tuple[Path, ...]


def find_classes(path: Path, *, least: int = 2) -> ClassFolders:
    """The images in ``path/train/CLASS`` and ``path/test/CLASS``, or in ``path/CLASS``.

    Raises:
        DataUnreadable: no such folder, no class folders, fewer than `least` classes, a class
            without images, or test classes that are not those of training.
        PackageMissing: nothing here decodes images.
    """
    train_folder, test_folder, others = _find_parts(path)
    check_decoder(str(path))
    train, beside = _find_images(train_folder)
    others += beside
    if len(train) < least:
        raise DataUnreadable(
            f"{train_folder} has only one class, {next(iter(train))}; expected the folders of two "
            "or more"
        )
    test: Classes = {}
    if test_folder is not None:
        test, beside = _find_images(test_folder)
        others += beside
        _check_same(train, train_folder, test, test_folder)
    return ClassFolders(train, test, tuple(others))


def hold_out(classes: Classes, seed: int) -> tuple[Classes, Classes]:
    """Split off a tenth of each class for testing, at least one image of two.

    Raises:
        DataUnreadable: every class has a single image.
    """
    train, test = {}, {}
    for index, (name, paths) in enumerate(classes.items()):
        count = max(1, round(len(paths) / HELD_OUT)) if len(paths) > 1 else 0
        test_indices = set(
            np.random.default_rng((seed, index)).permutation(len(paths))[:count].tolist()
        )
        test[name] = [path for at, path in enumerate(paths) if at in test_indices]
        train[name] = [path for at, path in enumerate(paths) if at not in test_indices]
    if not any(test.values()):
        folder = next(iter(classes.values()))[0].parent.parent
        raise DataUnreadable(
            f"{folder} has one image a class, too few to hold any out for testing; add more, or "
            "put test images into a folder test/ beside a folder train/"
        )
    return train, test


def paths_of(classes: Classes) -> list[Path]:
    """All images, class by class."""
    return [path for paths in classes.values() for path in paths]


def name_some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:NAMES])
    rest = len(names) - NAMES
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _find_parts(path: Path) -> tuple[Path, Path | None, list[Path]]:
    """The folders that hold the classes of training and of testing; and what lies beside them."""
    folders, files = _list(path)
    named = {folder.name: folder for folder in folders}
    train = named.get("train")
    # A class may be called "train" or "valid": then others lie beside it, and it holds no folders.
    if train is None or not (_list(train)[0] or set(named) <= {"train", *TEST_FOLDERS}):
        return path, None, []
    test = next((named[name] for name in TEST_FOLDERS if name in named), None)
    return train, test, [entry for entry in (*folders, *files) if entry not in (train, test)]


def _find_images(folder: Path) -> tuple[Classes, list[Path]]:
    """The images of each class by its name, and what else lies there."""
    folders, others = _list(folder)
    if not folders:
        images = [entry for entry in others if _is_image(entry)]
        content = f"holds {len(images):,} images but no folders" if images else "holds no folders"
        raise DataUnreadable(
            f"{folder} {content}; expected one folder of images for each class, named after it"
        )
    classes = {}
    for each in folders:
        if not each.name.isprintable():
            raise DataUnreadable(
                f"the class folder {str(each)!r} has a name that is not a line of text; rename it"
            )
        inner, files = _list(each)
        images = [file for file in files if _is_image(file)]
        if not images:
            raise DataUnreadable(
                f"class {each.name} has no images: {each} holds {len(inner)} folders and "
                f"{len(files)} other files; expected files right in it that end in "
                f"{', '.join(FORMATS)}"
            )
        classes[each.name] = images
        others += [*inner, *(file for file in files if not _is_image(file))]
    return classes, others


def _list(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders in a folder and its other entries, each by name, without hidden ones."""
    folders: list[Path] = []
    others: list[Path] = []
    try:
        for entry in sorted(folder.iterdir()):
            if not entry.name.startswith("."):
                (folders if entry.is_dir() else others).append(entry)
    except FileNotFoundError as error:
        raise DataUnreadable(
            f"no data set or folder is called {str(folder)!r}; there are {', '.join(NAMED)}, or "
            "give a folder that holds one folder of images for each class"
        ) from error
    except OSError as error:
        raise DataUnreadable(
            f"the folder {folder} cannot be read: {error.strerror}; expected a folder of images "
            "that you may read"
        ) from error
    return folders, others


def _is_image(path: Path) -> bool:
    return path.suffix.lower().removeprefix(".") in FORMATS


def _check_same(train: Classes, train_folder: Path, test: Classes, test_folder: Path) -> None:
    parts = ((test, test_folder, train, train_folder), (train, train_folder, test, test_folder))
    for here, folder, there, other in parts:
        if odd := [name for name in here if name not in there]:
            raise DataUnreadable(
                f"{folder} has classes that {other} has not: {name_some(odd)}; both need the same "
                "folders"
            )
