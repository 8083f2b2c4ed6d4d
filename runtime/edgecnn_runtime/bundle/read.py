"""Reading a bundle: sizes and digests are checked. docs/bundle.md is the specification."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.archive import list_members, open_archive, read_member
from edgecnn_runtime.bundle.golden_arrays import GoldenArrays, golden_arrays
from edgecnn_runtime.bundle.limits.artefact import refuse_unsafe
from edgecnn_runtime.bundle.manifest_json import manifest_from_json
from edgecnn_runtime.bundle.other_content import other_content
from edgecnn_runtime.bundle.outside import OutsideExamples, open_outside
from edgecnn_runtime.bundle.strict_json import strict_json
from edgecnn_runtime.bundle.training.files import TrainingFiles, training_files
from edgecnn_runtime.bundle.training.golden_step import GoldenStep, golden_step
from edgecnn_runtime.errors import (
    CompressionBomb,
    DigestMismatch,
    FileMissing,
    FileUnlisted,
    GoldenInvalid,
    ManifestInvalid,
    NotTrainable,
)
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.training import Training

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True)
class ArtefactContent:
    """Bytes of an artefact, as an engine opens it. `weights` is None without a weights file."""

    model: bytes
    weights: bytes | None


class Bundle:
    """An opened bundle. Files that `read` returns have the size and digest in the manifest.

    Raises:
        BundleError: the file cannot be read or breaks a rule of docs/bundle.md; each rule has a
            subclass of its own.
    """

    def __init__(self, path: str | os.PathLike[str], budget: Budget | None = None) -> None:
        self.path = os.fspath(path)
        self.budget = budget or Budget()
        self._archive = open_archive(self.path)
        try:
            self._refuse_other_content()
            self._members = list_members(self._archive)
            self.manifest: Manifest = self._read_manifest()
            self._match_listing()
        except BaseException:
            self.close()
            raise

    def read(self, name: str) -> bytes:
        """The checked content of one file of the manifest."""
        content = self.load(name)
        self.check_digest(name, content)
        return content

    def load(self, name: str) -> bytes:
        """The unchecked content of one file: not to be used before `check_digest` accepts it."""
        return read_member(self._archive, self._members[name], self.manifest.files[name].size)

    def check_digest(self, name: str, content: bytes) -> None:
        """Check `content` against the size and digest that the manifest lists for `name`.

        Raises:
            DigestMismatch: its size or sha256 differs.
        """
        record = self.manifest.files[name]
        if len(content) != record.size:
            raise DigestMismatch(
                f"{self.path}: {name} has {len(content)} bytes, the manifest says {record.size}; "
                "the bundle was damaged or changed, fetch or export it again"
            )
        digest = hashlib.sha256(content).hexdigest()
        if digest != record.sha256:
            raise DigestMismatch(
                f"{self.path}: {name} has sha256 {digest[:12]}…, the manifest says "
                f"{record.sha256[:12]}…; the bundle was damaged or changed, export it again"
            )

    def sha256(self) -> str:
        """Digest of the whole file, in hexadecimal digits; of the one that was opened."""
        assert self._archive.fp is not None
        file, digest, position = self._archive.fp.fileno(), hashlib.sha256(), 0
        while block := os.pread(file, 1 << 20, position):
            digest.update(block)
            position += len(block)
        return digest.hexdigest()

    def read_artefact(self, artefact: Artefact) -> ArtefactContent:
        """The checked bytes of an artefact, which refers to nothing outside the bundle."""
        content = self.load_artefact(artefact)
        self.check_artefact(artefact, content)
        return content

    def load_artefact(self, artefact: Artefact) -> ArtefactContent:
        """An artefact's unchecked bytes: not to be used before `check_artefact` accepts it."""
        weights = None if artefact.weights is None else self.load(artefact.weights)
        return ArtefactContent(self.load(artefact.path), weights)

    def check_artefact(self, artefact: Artefact, content: ArtefactContent) -> None:
        """Check an artefact's digests, and that it refers to nothing outside and is in the budget.

        Raises:
            DigestMismatch: a size or sha256 differs.
            ExternalData: it refers to a file or to code outside itself.
            OverBudget: it is seen to cost more than the budget, before an engine opens it.
            BundleUnreadable: it is no file of its format.
        """
        self.check_digest(artefact.path, content.model)
        if artefact.weights is not None and content.weights is not None:
            self.check_digest(artefact.weights, content.weights)
        name = f"{self.path}: {artefact.path}"
        refuse_unsafe(artefact.format, content.model, content.weights, name, self.budget)

    def labels(self) -> tuple[str, ...]:
        """The class names in class order; empty if the bundle is not a classifier.

        Raises:
            ManifestInvalid: they are not UTF-8, or not one for each class.
        """
        postprocess = self.manifest.postprocess
        if postprocess is None:
            return ()
        try:
            text = self.read(postprocess.labels).decode()
        except UnicodeDecodeError as error:
            raise ManifestInvalid(f"{self.path}: {postprocess.labels} is not UTF-8") from error
        # Not splitlines: it also ends a line at characters that a label may hold.
        lines = text.removesuffix("\n").split("\n") if text else []
        output = self.manifest.outputs[0]
        if len(lines) != output.shape[-1]:
            raise ManifestInvalid(
                f"{self.path}: {postprocess.labels} has {len(lines)} labels for the output {output}"
            )
        return tuple(line.removesuffix("\r") for line in lines)

    def golden(self, index: int) -> GoldenArrays:
        """One golden example.

        Raises:
            GoldenInvalid: as `golden_arrays` says.
        """
        return golden_arrays(self.path, self.manifest, self.manifest.golden[index], self.read)

    def outside(self) -> OutsideExamples | None:
        """The golden examples in the file beside the bundle; None where there is none.

        Raises:
            BundleError: the file is not the one that the manifest lists.
        """
        return open_outside(self.path, self.manifest)

    def training(self) -> TrainingFiles:
        """The training graph, and the values that it begins with.

        Raises:
            NotTrainable: the bundle has none.
            BundleError: as `training_files` says.
        """
        return training_files(
            self.path, self.manifest, self._training_section(), self.read, self.budget
        )

    def golden_step(self) -> GoldenStep | None:
        """The golden step of the training graph; None where it was stripped.

        Raises:
            NotTrainable: the bundle has no training graph.
            BundleError: as `golden_step` says.
        """
        section = self._training_section()
        if section.golden is None:
            return None
        where = f"{self.path}: {section.golden}"
        return golden_step(where, self.manifest, section, self.read(section.golden))

    def _training_section(self) -> Training:
        if self.manifest.training is None:
            raise NotTrainable(
                f"{self.path} has no training graph, so it cannot learn; export it with one: "
                "edgecnn export MODEL --learn head"
            )
        return self.manifest.training

    def check(self, already_read: Iterable[str] = (), *, with_artefacts: bool = True) -> None:
        """Check every digest, golden array and artefact, the training graph and the labels.

        Args:
            already_read: paths of files that are checked already.
            with_artefacts: False checks only the digests of the other artefacts and of what is
                for training, which costs a fraction: no engine opens them.

        Raises:
            BundleError: the first check that fails.
        """
        unread = set(self.manifest.files) - set(already_read)
        for index, entry in enumerate(self.manifest.golden):
            self.golden(index)
            unread -= {*entry.inputs.values(), *entry.outputs.values()}
            unread -= {entry.image}
        for artefact in self.manifest.artefacts:
            if artefact.path in unread and with_artefacts:
                self.read_artefact(artefact)
                unread -= {*artefact.paths}
        if self.manifest.training is not None and with_artefacts:
            self.training()
            self.golden_step()
            section = self.manifest.training
            unread -= {section.graph, section.values, section.golden or ""}
        if self.manifest.postprocess is not None:
            self.labels()
            unread.discard(self.manifest.postprocess.labels)
        for name in sorted(unread):
            self.read(name)

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_other_content(self) -> None:
        """Refuse archives of other programs by what they are, before their members are judged."""
        if MANIFEST not in self._archive.NameToInfo and (other := other_content(self.path)):
            raise FileMissing(f"{self.path} is {other}")

    def _read_manifest(self) -> Manifest:
        if MANIFEST not in self._members:
            raise FileMissing(
                f"{self.path} holds no {MANIFEST}; it is not a bundle of edgecnn: edgecnn export "
                "makes one"
            )
        member = self._members[MANIFEST]
        if member.file_size > MAX_MANIFEST_BYTES:
            raise CompressionBomb(f"{self.path}: {MANIFEST} inflates to {member.file_size} bytes")
        content = read_member(self._archive, member, MAX_MANIFEST_BYTES)
        try:
            return manifest_from_json(strict_json(content))
        except (ManifestInvalid, GoldenInvalid) as error:
            raise type(error)(f"{self.path}: {error}") from error

    def _match_listing(self) -> None:
        members, listed = set(self._members) - {MANIFEST}, set(self.manifest.files)
        if missing := sorted(listed - members):
            raise FileMissing(f"{self.path}: {missing[0]} is in the manifest but not in the bundle")
        if extra := sorted(members - listed):
            raise FileUnlisted(f"{self.path}: {extra[0]} is in the bundle but not in the manifest")
