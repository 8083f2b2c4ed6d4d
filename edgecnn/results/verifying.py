"""The functions behind `edgecnn verify`: digests, parity, causes, comparison on images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.results.verify import VerifyResult
from edgecnn_runtime.budget import Budget

if TYPE_CHECKING:
    from edgecnn.data.iterables import Items
    from edgecnn.verify.diagnose import RowDiagnosis
    from edgecnn.verify.held_out import HeldOutComparison
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity.row import Parity


@dataclass(frozen=True)
class VerifyOptions:
    """Options of ``edgecnn verify``.

    Attributes:
        engines: only these; empty for all that open a file of the bundle.
        is_diagnosed: search for the cause of what differs.
        reproduce: folder for each cause, as one node with its inputs and a script.
        is_proven: prove what was compiled for NPUs and microcontrollers.
        data: name or folder of images to compare every artefact with the float graph on, or an
            iterable of images and inputs.
        limit: at most this many images of `data`.
        budget: memory and time that the bundle may cost.
        against: bundle, ``.onnx`` or ``.tflite`` file to compare with the bundle's golden answers,
            instead of its own artefacts.
    """

    engines: tuple[str, ...] = ()
    is_diagnosed: bool = True
    reproduce: Path | None = None
    is_proven: bool = True
    data: str | Items | None = None
    limit: int = 256
    budget: Budget = field(default_factory=Budget)
    against: Path | None = None


def verify_bundle(
    bundle: str,
    options: VerifyOptions,
    *,
    quiet: bool = True,
    on_rows: Callable[[VerifyResult], None] | None = None,
) -> VerifyResult:
    """Check every digest of a bundle, and compare its artefacts on every engine here.

    Args:
        quiet: show no progress on stderr.
        on_rows: called with the rows before causes are searched for, which may take long.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or an engine is not known.
        OutputNotWritable: the folder `VerifyOptions.reproduce` cannot be written.
        NotAClassifier, DataUnreadable, FetchError, ImageError: as `compare_with_float` says.
    """
    from edgecnn.progress_bar import bar
    from edgecnn.verify.unproven import why_unproven
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.parity.verify import verify

    with Bundle(bundle, options.budget) as opened:
        if options.against is not None:
            result = _verify_against(opened, options.against, options, quiet=quiet)
            if on_rows is not None:
                on_rows(result)
            return result
        with bar("verify", quiet=quiet) as progress:
            rows = verify(opened, options.engines or None, isolated=True, progress=progress)
        outside = opened.outside()
        is_proven = options.is_proven and not options.engines
        first = VerifyResult(
            bundle=bundle,
            files=len(opened.manifest.files),
            parity=tuple(rows),
            compiled=_prove_compiled(opened, quiet=quiet) if is_proven else (),
            beside=None if outside is None else Path(outside.path).name,
            unproven=why_unproven(opened),
        )
        if on_rows is not None:
            on_rows(first)
        return replace(
            first,
            findings=_diagnose(opened, rows, options, quiet=quiet),
            pictures=_compare_images(opened, rows, options, quiet=quiet),
        )


def _verify_against(
    opened: Bundle, other: Path, options: VerifyOptions, *, quiet: bool
) -> VerifyResult:
    """Rows of another file or bundle, compared with the golden answers of this one."""
    from edgecnn.bundles.against import compare_with, why_unlike
    from edgecnn.progress_bar import bar

    opened.check()
    with bar("verify", quiet=quiet) as progress:
        rows = compare_with(opened, other, options.engines or None, progress)
    return VerifyResult(
        bundle=opened.path,
        files=len(opened.manifest.files),
        parity=tuple(rows),
        against=str(other),
        unlike=why_unlike(opened.path, str(other), rows),
    )


def _prove_compiled(opened: Bundle, *, quiet: bool) -> tuple[Parity, ...]:
    if all(artefact.target is None for artefact in opened.manifest.artefacts):
        return ()
    from edgecnn.progress_bar import bar
    from edgecnn.verify.compiled import prove_compiled

    with bar("compiled", quiet=quiet) as progress:
        return tuple(prove_compiled(opened, progress))


def _diagnose(
    opened: Bundle, rows: Sequence[Parity], options: VerifyOptions, *, quiet: bool
) -> tuple[RowDiagnosis, ...]:
    training = opened.manifest.training
    # A graph of gradients has no float one beside it that a node could be compared with.
    rows = [row for row in rows if training is None or row.subject != training.graph]
    is_asked = options.is_diagnosed or options.reproduce is not None
    if not is_asked or not any(row.verdict == "differs" for row in rows):
        return ()
    from edgecnn.progress_bar import waiting
    from edgecnn.verify.search import find_causes

    with waiting("looking for the cause", quiet=quiet):
        return tuple(find_causes(opened, rows, options.reproduce, isolated=True))


def _compare_images(
    opened: Bundle, rows: Sequence[Parity], options: VerifyOptions, *, quiet: bool
) -> HeldOutComparison | None:
    if options.data is None:
        return None
    from edgecnn.progress_bar import bar
    from edgecnn.verify.held_out import compare_with_float
    from edgecnn.verify.preprocess.pictures import verification_values

    spec = opened.manifest.inputs[0]
    name, values = verification_values(options.data, spec, options.limit, quiet=quiet)
    with bar("images", quiet=quiet) as progress:
        return compare_with_float(opened, rows, values, name, progress)
