"""Extraction of artefacts from a bundle, with labels, preprocessing as code, and a README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from edgecnn.bundles.extract_readme import README, readme
from edgecnn.bundles.folder import check_folder, write_folder
from edgecnn.bundles.members import artefact_files
from edgecnn.bundles.preprocess_code import preprocess_code
from edgecnn.errors import ExtractRefused
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import UnsafePath
from edgecnn_runtime.manifest import Artefact, Manifest

LABELS, PREPROCESS = "labels.txt", "preprocess.json"
# Of model files. A bundle of unknown origin might name an artefact numpy.py, which the next
# program in that folder would import.
SUFFIXES = (
    *(".onnx", ".tflite", ".xml", ".bin", ".rknn", ".json", ".txt", ".dlc", ".kmodel", ".hef"),
    *(".param", ".mnn", ".engine", ".plan", ".pte", ".ort"),
)


@dataclass(frozen=True)
class Extracted:
    """What was extracted from a bundle.

    Attributes:
        bundle: path as it was given.
        folder: path as it was given.
        artefacts: paths of the artefacts in the bundle.
        files: path in the folder → size in bytes.
    """

    bundle: str
    folder: str
    artefacts: tuple[str, ...]
    files: Mapping[str, int]


def extract(
    bundle_path: Path,
    folder: Path,
    artefact: str | None = None,
    *,
    force: bool = False,
    budget: Budget | None = None,
) -> Extracted:
    """Write one artefact of a bundle, or all, into a folder, with what an app needs beside it.

    Args:
        artefact: its path in the bundle, that of one of its files, or the target that it was
            compiled for; None for all.
        force: write into a folder that holds files; those of the same names are replaced.

    Raises:
        BundleError: the bundle cannot be trusted.
        ExtractRefused: no artefact has that name, or the folder holds files.
        OutputNotWritable: the folder cannot be written.
    """
    check_folder(folder, is_forced=force)
    with Bundle(bundle_path, budget) as bundle:
        chosen = find_artefacts(bundle.manifest, str(bundle_path), artefact)
        files = _artefact_contents(bundle, chosen) | _contents_beside(bundle, chosen)
    write_folder(folder, files, is_forced=force)
    sizes = {name: len(content) for name, content in files.items()}
    return Extracted(str(bundle_path), str(folder), tuple(one.path for one in chosen), sizes)


def find_artefacts(manifest: Manifest, bundle: str, name: str | None) -> tuple[Artefact, ...]:
    """The artefacts with a name; all of them for None.

    Raises:
        ExtractRefused: there is none.
    """
    if name is None:
        return manifest.artefacts
    named = tuple(one for one in manifest.artefacts if name in (*artefact_files(one), one.target))
    if not named:
        listing = ", ".join(one.path for one in manifest.artefacts)
        raise ExtractRefused(f"{bundle} has no artefact {name}; it has {listing}")
    return named


def _artefact_contents(bundle: Bundle, artefacts: tuple[Artefact, ...]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for artefact in artefacts:
        content = bundle.read_artefact(artefact)
        for path in artefact_files(artefact):
            _refuse_name(bundle.path, path)
            files[path] = content.model if path == artefact.path else bundle.read(path)
    return files


def _contents_beside(bundle: Bundle, artefacts: tuple[Artefact, ...]) -> dict[str, bytes]:
    manifest, labels = bundle.manifest, bundle.labels()
    texts = {README: readme(manifest, artefacts, has_labels=bool(labels))}
    if labels:
        texts[LABELS] = "".join(f"{label}\n" for label in labels)
    if manifest.preprocess is not None:
        layouts = {one.path: one.layout or manifest.preprocess.layout for one in artefacts}
        spec = asdict(manifest.preprocess) | {"layouts": layouts}
        texts[PREPROCESS] = json.dumps(spec, indent=1, ensure_ascii=False) + "\n"
        texts |= preprocess_code(manifest.preprocess)
    return {name: text.encode() for name, text in texts.items()}


def _refuse_name(bundle: str, path: str) -> None:
    """Refuse a name that a program would load, or that is one of the files written beside it.

    Raises:
        UnsafePath: it is.
    """
    if path.casefold() in map(str.casefold, (README, LABELS, PREPROCESS)):
        raise UnsafePath(
            f"{bundle}: the artefact {path} has the name of a file that is written beside it; "
            "nothing was extracted"
        )
    if PurePosixPath(path).suffix.lower() not in SUFFIXES:
        raise UnsafePath(
            f"{bundle}: {path} is no name of a model file, expected one that ends in "
            f"{', '.join(SUFFIXES)}; nothing was extracted"
        )
