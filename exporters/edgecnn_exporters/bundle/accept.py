"""Acceptance of artefacts: each answers the examples on its engine before it is packed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgecnn_exporters.bundle.examples import Compared, Examples
from edgecnn_exporters.bundle.rounding import with_rounding
from edgecnn_exporters.bundle.simulate import simulate
from edgecnn_exporters.errors import TargetDiffers
from edgecnn_exporters.targets import ANSWERED, TargetInvalid, Translated
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.artefact import refuse_unsafe
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import adapt
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.install_hint import install_hint
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.tolerances import is_within_limit, listed_db, lost_groups


@dataclass(frozen=True)
class Accepted:
    """An accepted artefact, and its difference from the original.

    Attributes:
        artefact: its entry in the manifest.
        difference: over all examples; None where no engine here runs it.
    """

    artefact: Artefact
    difference: Difference | None


class Acceptance:
    """Acceptance of the artefacts of one network, all by the same examples."""

    def __init__(self, manifest: Manifest, examples: Examples, qdq: bytes | None) -> None:
        """Prepare the examples.

        Args:
            manifest: inputs and outputs of the network.
            qdq: the QDQ graph of the network; None where nothing was quantised.
        """
        self._manifest = manifest
        self._examples = examples
        self._input = manifest.inputs[0].name
        self._simulated = None if qdq is None else simulate(qdq, manifest, examples)
        self._accepted: dict[tuple[str, bytes], Accepted] = {}

    def accept(self, translated: Translated) -> Accepted:
        """Accept an artefact; of one that was accepted before, what was found then.

        A float one must compute what the original does, within the tolerance of its precision. One
        of 8 bits must come as near to it as the QDQ graph does in float arithmetic, so that no
        engine vouches for itself. Where the engine misses that by a known fault of this processor,
        the target's exact engine decides. What no engine here runs is accepted as its target's
        compiler wrote it.

        Raises:
            TargetDiffers: its outputs differ.
            ExternalData, OverBudget: no reader of bundles opens it.
            EngineError: its engine is not installed, or refuses it.
        """
        if translated.target.proof not in ANSWERED:
            return Accepted(translated.artefact, None)
        key = translated.artefact.path, translated.model
        if key not in self._accepted:
            self._accepted[key] = self._accept(translated)
        return self._accepted[key]

    def _accept(self, translated: Translated) -> Accepted:
        if translated.artefact.precision == "int8":
            return self._accept_int8(translated)
        compared = self._compare(_open(translated), translated.artefact)
        for measured in (compared.judged, compared.golden):
            if not is_within_limit(measured, translated.artefact):
                where = f" ({measured.worst})" if measured.worst else ""
                far = f"{measured.relative:.1e} of its output{where}"
                raise _differs(translated, far, "the same")
        return Accepted(translated.artefact, compared.judged)

    def _accept_int8(self, translated: Translated) -> Accepted:
        artefact = translated.artefact
        assert self._simulated is not None, "an int8 artefact has a QDQ graph"
        expected = with_rounding(self._simulated, artefact, self._examples)
        measured = self._compare(_open(translated), artefact)
        if any(lost_groups(measured.judged, expected)):
            exact = translated.target.open_exact(translated)
            if exact is not None:
                measured = self._compare(exact, artefact)
        for group, limit in lost_groups(measured.judged, expected):
            raise _differs(
                translated,
                f"{group.sqnr_db:.1f} dB ({group.name})",
                f"{limit:.1f} dB as its 8-bit graph has in float arithmetic",
            )
        outside = {} if measured.outside is None else listed_db(measured.outside)
        entry = replace(artefact, sqnr_db=listed_db(measured.golden), outside_db=outside)
        return Accepted(entry, measured.judged)

    def _compare(self, engine: Engine, artefact: Artefact) -> Compared:
        """Difference of the opened artefact from the original; the engine is closed afterwards."""
        try:
            return self._examples.compare(adapt(engine, self._manifest, artefact), self._input)
        finally:
            engine.close()


def _open(translated: Translated) -> Engine:
    target, path = translated.target, translated.artefact.path
    if target.engine is None:
        raise TargetInvalid(
            f"target {target.name!r} names no engine, but says that answers of {path} are "
            f"{target.proof}: a defect of that target"
        )
    kind = engine_class(target.engine)
    if not kind.is_installed():
        fix = install_hint(kind.extra) if kind.extra else "leave that target out"
        raise EngineError(f"no engine here runs {path}, so it cannot be proven; {fix}")
    # What nobody could open is not written.
    refuse_unsafe(translated.artefact.format, translated.model, translated.weights, path, Budget())
    return kind.open(translated.model, weights=translated.weights)


def _differs(translated: Translated, measured: str, expected: str) -> TargetDiffers:
    name, precision = translated.target.name, translated.artefact.precision
    fix = f"Leave out --target {name}"
    if name == "onnx":
        fix = "Leave out --quantize" if precision == "int8" else "Export it in another form"
    return TargetDiffers(
        f"{translated.artefact.path} differs from the original by {measured}, expected {expected}; "
        f"nothing was written. {fix}, and please report it: this is a defect"
    )
