"""Contents of a bundle in the Python API: shown, run, extracted, stripped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.api.arguments import (
    Names,
    PathText,
    Size,
    budget_of,
    check_flags,
    option_names,
    option_value,
    optional_name,
    optional_path,
    path_of,
)
from edgecnn.errors import OptionsRefused

if TYPE_CHECKING:
    import edgecnn_runtime
    from edgecnn.results.bundle import BundleShowResult, ExtractResult, StripResult
    from edgecnn.results.export import ExportResult
    from edgecnn.results.run import RunResult
    from edgecnn_runtime.image.batch import ImageBatch
    from edgecnn_runtime.image.load import ImageSource
    from edgecnn_runtime.manifest import Manifest


@dataclass(frozen=True)
class BundleContents:
    """A bundle on disk: what is in it, and what an app gets of it.

    Attributes:
        exported: result of the export that wrote it; None where it was opened.
    """

    path: Path
    exported: ExportResult | None = field(default=None, compare=False, repr=False)

    @property
    def manifest(self) -> Manifest:
        """The manifest, read each time: another program may have changed the file."""
        from edgecnn_runtime.bundle import Bundle as BundleFile

        with BundleFile(self.path) as opened:
            return opened.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in class order; empty where it is no classifier."""
        from edgecnn_runtime.bundle import Bundle as BundleFile

        with BundleFile(self.path) as opened:
            return opened.labels()

    def show(self) -> BundleShowResult:
        """Inputs, outputs, artefacts, proof, preprocessing, labels, origin: ``bundle show``."""
        from edgecnn.bundles.facts import bundle_facts
        from edgecnn.results.bundle import BundleShowResult

        return BundleShowResult(bundle_facts(self.path))

    def __str__(self) -> str:
        return str(self.show())

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def run(
        self,
        images: ImageSource | ImageBatch,
        *,
        top: int = 3,
        engine: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        max_memory: Size | None = None,
        max_seconds: float | None = None,
    ) -> RunResult:
        """The likeliest classes of images, as an app gets them: ``edgecnn run``.

        Files are read in a process of its own that the budget holds, arrays in this one. Images
        that cannot be read are the result's `failures`, and noted.

        Raises:
            ArgumentInvalid: no image, or what is none.
            EdgeCNNError: it cannot be trusted, or nothing in it can run here.
        """
        from edgecnn.api.notes import log_notes
        from edgecnn.api.run import run_images
        from edgecnn.commands.run import command
        from edgecnn.results.run import RunOptions

        options = RunOptions(
            option_value(command, "top", top),
            optional_name(engine, "engine"),
            optional_name(precision, "precision"),
            option_value(command, "threads", threads),
            budget_of(command, max_memory, max_seconds),
        )
        result = run_images(str(self.path), images, options)
        log_notes(result.failures)
        return result

    def extract(
        self, folder: PathText, artefact: str | None = None, *, force: bool = False
    ) -> ExtractResult:
        """Write artefacts, labels and preprocessing into a folder: ``edgecnn bundle extract``.

        Raises:
            ExtractRefused: the folder is not empty, or there is no such artefact.
        """
        from edgecnn.results.bundle import extract_bundle

        check_flags(force=force)
        name = optional_name(artefact, "artefact")
        return extract_bundle(self.path, path_of(folder, "folder"), name, force=force)

    def strip(
        self,
        output: PathText | None = None,
        *,
        in_place: bool = False,
        keep: Names = (),
        precisions: Names = (),
        targets: Names = (),
        keep_golden: bool = False,
        force: bool = False,
    ) -> StripResult:
        """Write a bundle for production, with less in it: ``edgecnn bundle strip``.

        Raises:
            OptionsRefused: neither an output nor `in_place`, or both.
            StripRefused: nothing would be left, or the output holds more.
        """
        from edgecnn.bundles.strip import StripOptions
        from edgecnn.commands.bundle import strip as command
        from edgecnn.results.bundle import strip_bundle

        check_flags(in_place=in_place, keep_golden=keep_golden, force=force)
        written = optional_path(output, "output")
        if in_place == (written is not None):
            raise OptionsRefused("name the bundle to write, output=…, or say in_place=True")
        options = StripOptions(
            option_names(command, "keep", keep),
            option_names(command, "precisions", precisions),
            option_names(command, "targets", targets),
            keep_golden=keep_golden,
            force=force,
        )
        return strip_bundle(self.path, written, options)

    def open(
        self,
        *,
        engine: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        artefact: str | None = None,
    ) -> edgecnn_runtime.Session:
        """Open it as an app does: `edgecnn_runtime.open`. To be closed, or used with ``with``.

        Raises:
            BundleError, EngineUnavailable, EngineError: it cannot be trusted, or not run here.
        """
        import edgecnn_runtime
        from edgecnn.commands.run import command

        return edgecnn_runtime.open(
            self.path,
            engine=optional_name(engine, "engine"),
            precision=optional_name(precision, "precision"),
            threads=option_value(command, "threads", threads),
            artefact=optional_name(artefact, "artefact"),
        )
