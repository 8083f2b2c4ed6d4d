"""Mapping of folder names to the class indices of a network."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.data.class_folders import name_some
from edgecnn.errors import DataUnreadable
from edgecnn.text_file import read_text
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import NotAClassifier

# Labels of a network without labels.
_GENERIC = re.compile(r"(class )?\d+")


@dataclass(frozen=True)
class ClassNames:
    """Class labels of a network, and a user's mapping of names to classes.

    Attributes:
        classes: how many there are.
        labels: their names in order; empty where the bundle has none.
        mapping: class indices by name, from --classes; empty without it.
    """

    classes: int
    labels: tuple[str, ...] = ()
    mapping: Mapping[str, int] = field(default_factory=dict)

    def of_data_set(
        self, names: Sequence[str], data: str
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Class index of each class of a named data set, and notes for the user.

        Unlike folders, whose names may be anything, its classes have names: where the bundle has
        labels and none of them is one of these, it is a network for other data.

        Raises:
            DataUnreadable: the network is for other classes.
        """
        is_known = {_fold(name) for name in names} & {_fold(each) for each in self.labels}
        has_labels = any(not _GENERIC.fullmatch(label) for label in self.labels)
        if not self.mapping and not is_known and (has_labels or len(names) != self.classes):
            own = f" ({name_some(self.labels)})" if has_labels else ""
            raise DataUnreadable(
                f"{data} has {len(names)} classes ({name_some(names)}), the network "
                f"{self.classes:,} others{own}; give --data images of its own classes, or "
                "--classes FILE with a line 'NAME NUMBER' for each"
            )
        return self.numbers(names)

    def numbers(self, names: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Class index of each name, and notes for the user.

        By the mapping where there is one; else by the bundle's labels, where upper case, ``_`` and
        ``-`` make no difference; else names that are numbers; else, where there are as many names
        as classes, in the order given.

        Raises:
            DataUnreadable: a name means no class or several.
        """
        if self.mapping:
            return self._by(self.mapping, names, "the file of --classes"), ()
        if self.labels and {_fold(name) for name in names} & {_fold(each) for each in self.labels}:
            self._refuse_ambiguous(names)
            known = {_fold(label): number for number, label in enumerate(self.labels)}
            indices = {name: known[_fold(name)] for name in names if _fold(name) in known}
            return self._by(indices, names, "the bundle's labels"), ()
        if all(name.isascii() and name.isdigit() for name in names):
            return self._by({name: int(name) for name in names}, names, "numbers"), ()
        if len(names) == self.classes:
            others = f"none is a label of the bundle ({name_some(self.labels)}), so that "
            return tuple(range(len(names))), (
                f"{others if self.labels else ''}classes are numbered in the order of their names: "
                f"{names[0]} is 0, {names[-1]} is {len(names) - 1}",
            )
        raise DataUnreadable(
            f"{name_some(names)}: these {len(names)} names are not labels of the bundle, not "
            f"numbers, and not as many as its {self.classes} classes; pass --classes FILE with a "
            "line 'NAME NUMBER' for each"
        )

    def unknown(self, names: Sequence[str]) -> list[str]:
        """The names that are no classes here: neither labels nor, of a network whose labels are
        numbers or missing, numbers of classes.
        """
        labels = {_fold(label) for label in self.labels}
        is_numbered = all(_GENERIC.fullmatch(label) for label in self.labels)
        return [
            name
            for name in names
            if name not in self.mapping
            and _fold(name) not in labels
            and not (is_numbered and name.isascii() and name.isdigit() and int(name) < self.classes)
        ]

    def name_of(self, number: int) -> str:
        """The label of a class, or its number where the bundle has no labels."""
        return self.labels[number] if number < len(self.labels) else str(number)

    def names(self) -> tuple[str, ...]:
        """Of every class, as `name_of` gives them."""
        return tuple(map(self.name_of, range(self.classes)))

    def refuse_others(self, baseline: ClassNames, bundle: str, against: str) -> None:
        """Refuse a baseline for other classes: their accuracies cannot be compared.

        Raises:
            NotAClassifier: they differ in number, or share no label.
        """
        if baseline.classes != self.classes:
            raise NotAClassifier(
                f"{against} has {baseline.classes} classes, {bundle} {self.classes}; only networks "
                "for the same classes can be compared"
            )
        own, others = ({_fold(each) for each in one.labels} for one in (self, baseline))
        if own and others and not own & others:
            raise NotAClassifier(
                f"{against} has the classes {name_some(baseline.labels)}, {bundle} "
                f"{name_some(self.labels)}; only networks for the same classes can be compared"
            )

    def _by(self, known: Mapping[str, int], names: Sequence[str], what: str) -> tuple[int, ...]:
        if strange := [name for name in names if name not in known]:
            raise DataUnreadable(
                f"{name_some(strange)}: not among {what}, which have "
                f"{len(known):,} of the {len(names):,} names; pass --classes FILE with a line "
                "'NAME NUMBER' for each"
            )
        numbers = tuple(known[name] for name in names)
        for name, number in zip(names, numbers, strict=True):
            if not 0 <= number < self.classes:
                raise DataUnreadable(
                    f"{name} is class {number}, expected 0 to {self.classes - 1}: the network has "
                    f"{self.classes} classes"
                )
        return numbers

    def _refuse_ambiguous(self, names: Sequence[str]) -> None:
        counts = Counter(_fold(label) for label in self.labels)
        for name in names:
            if counts[_fold(name)] > 1:
                same = [i for i, label in enumerate(self.labels) if _fold(label) == _fold(name)]
                raise DataUnreadable(
                    f"{name} is the label of classes {' and '.join(map(str, same))}; say which "
                    "with --classes FILE"
                )


def classes_of(path: str, mapping: Mapping[str, int] | None = None) -> ClassNames:
    """The classes of a bundle that classifies images.

    Raises:
        BundleError: it cannot be trusted.
        NotAClassifier: it has no preprocessing, or its output is no row of scores.
    """
    with Bundle(path) as bundle:
        manifest, labels = bundle.manifest, bundle.labels()
    output = manifest.outputs[0]
    if manifest.preprocess is None:
        raise NotAClassifier(f"{manifest.name} carries no preprocessing; export it with one")
    classes = output.shape[-1] if len(output.shape) == 2 else None
    if classes is None:
        raise NotAClassifier(
            f"{manifest.name} answers with {output}, expected (batch, classes): only a classifier "
            "of images has an accuracy"
        )
    return ClassNames(classes, labels, mapping or {})


def read_mapping(path: Path) -> dict[str, int]:
    """Class indices by name, from a file.

    Lines ``NAME NUMBER``; lines ``NAME`` in the order of the classes; JSON ``{"NAME": NUMBER}``, or
    ``{"NUMBER": ["NAME", …]}`` as ImageNet's index comes.

    Raises:
        DataUnreadable: missing, empty, not text, or of another form.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is not UTF-8"
        raise DataUnreadable(f"the file of classes {path} cannot be read: {reason}") from error
    mapping = _from_json(text, path) if text.lstrip().startswith("{") else _from_lines(text, path)
    if not mapping:
        raise DataUnreadable(f"the file of classes {path} is empty")
    return mapping


def _from_json(text: str, path: Path) -> dict[str, int]:
    try:
        return dict(
            pair for key, value in json.loads(text).items() for pair in _json_pairs(key, value)
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise DataUnreadable(
            f'the file of classes {path} is not {{"NAME": NUMBER, …}} in JSON: {error}'
        ) from error


def _json_pairs(key: str, value: Any) -> list[tuple[str, int]]:
    if isinstance(value, list):
        return [(str(name), int(key)) for name in value]
    if isinstance(value, str):
        return [(value, int(key))]
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}")
    return [(key, value)]


def _from_lines(text: str, path: Path) -> dict[str, int]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    parts = [line.rsplit(maxsplit=1) for line in lines]
    if all(len(part) == 2 and part[1].isascii() and part[1].isdigit() for part in parts):
        pairs = [(name, int(number)) for name, number in parts]
    else:
        pairs = [(name, number) for number, name in enumerate(lines)]
    counts = Counter(name for name, _ in pairs)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataUnreadable(f"the file of classes {path} has {name_some(twice)} more than once")
    return dict(pairs)


def _fold(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
