"""Verification of a bundle's training graph: its first step against the golden one."""

from __future__ import annotations

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.engine_id import EngineId, engine_id
from edgecnn_runtime.engines.table import REFERENCE
from edgecnn_runtime.errors import EngineError, EngineUnavailable
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.step_tolerances import is_step_within, tolerance_of
from edgecnn_runtime.parity.training_step import first_step, step_error
from edgecnn_runtime.parity.verdict import ParityVerdict

NO_GOLDEN_STEP = "no golden step"


def verify_training(bundle: Bundle) -> Parity | None:
    """Parity row of the training graph on ONNX Runtime; None where the bundle has none.

    Raises:
        BundleError: a file of it cannot be trusted.
    """
    training = bundle.manifest.training
    if training is None:
        return None
    subject, precision = training.graph, training.backbone
    try:
        engine = engine_id(engine_class(REFERENCE))
    except EngineUnavailable as absent:
        note = f"{absent.reason}, {absent.fix}"
        return Parity(subject, EngineId(REFERENCE), precision, "skipped", None, note)
    files, golden = bundle.training(), bundle.golden_step()
    if golden is None:
        return Parity(subject, engine, precision, "skipped", None, NO_GOLDEN_STEP)
    values = {**files.values, **golden.start}
    try:
        with bundle.budget.step():
            outputs = first_step(files.graph, training, golden, values)
        found = step_error(training, golden, values, outputs)
    except (EngineError, KeyError, ValueError) as failure:
        note = f"does not run: {failure}"
        return Parity(subject, engine, precision, "differs", None, note)
    limit = tolerance_of(training)
    verdict: ParityVerdict = "equal" if is_step_within(found, limit) else "differs"
    note = (
        f"gradient ≤ {limit.gradient:g} (worst: {found.parameter}), loss ≤ {limit.loss:g} "
        f"({found.loss:.1e})"
    )
    return Parity(subject, engine, precision, verdict, None, note, proof="measured", learning=found)
