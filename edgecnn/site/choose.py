"""The artefact and the engine of a page: the fastest of those that a page can run."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.errors import NotForPages
from edgecnn.web.engines import NATIVE, WEB_ENGINES, WebEngine, is_on_gpu, native_file
from edgecnn_runtime.manifest import Artefact, Manifest

# docs/npu/web.md has the figures: in 8 bits the native engine is the fastest on one thread and the
# least to load; in float LiteRT.js is faster. In fp16 only the weights have 16 bits, half as much.
ORDER = (
    ("plan", "int8"),
    ("tflite", "int8"),
    ("tflite", "fp16"),
    ("tflite", "fp32"),
    ("onnx", "fp32"),
)


def choose_artefact(
    manifest: Manifest, bundle: str, precision: str | None = None, engine: str | None = None
) -> tuple[Artefact, WebEngine]:
    """The artefact that a page shall run, and on which engine.

    Args:
        bundle: its path, for messages.
        precision: only this; None takes the fastest.
        engine: name in `WEB_ENGINES`; None takes the fastest.

    Raises:
        NotForPages: the network does not classify images, or no artefact is left.
    """
    check_classifies(manifest, bundle)
    # Without its module the native engine is taken only where it is asked for.
    engines = {
        one.format: one
        for one in WEB_ENGINES.values()
        if not is_on_gpu(one.name) and (one.name != NATIVE or native_file() or engine == NATIVE)
    }
    usable = [
        one
        for one in manifest.artefacts
        if one.format in engines
        and one.target is None
        and one.weights is None
        and not one.encodings
        and precision in (None, one.precision)
        and engine in (None, engines[one.format].name)
    ]
    if not usable:
        raise NotForPages(_why_none(manifest.artefacts, bundle, precision, engine))
    best = min(usable, key=_rank)
    return best, engines[best.format]


def check_classifies(manifest: Manifest, bundle: str) -> None:
    """Check that a network takes one image at a time and gives one score for each label.

    Raises:
        NotForPages: it does not; says what is missing.
    """
    lacking = [
        what
        for what, is_there in (
            ("preprocessing (--preprocess)", manifest.preprocess),
            ("labels (--labels)", manifest.postprocess),
        )
        if not is_there
    ]
    if lacking:
        raise NotForPages(
            f"{bundle} has no {' and no '.join(lacking)}, which a page needs to classify a "
            "photograph; export it again with them"
        )
    if len(manifest.inputs) != 1 or len(manifest.outputs) != 1:
        counts = f"{len(manifest.inputs)} inputs and {len(manifest.outputs)} outputs"
        raise NotForPages(f"{bundle} has {counts}, expected one image in and one row of scores out")
    (batch, *_) = manifest.inputs[0].shape or (None,)
    if batch not in (None, 1):
        raise NotForPages(
            f"{bundle} has batch {batch}, and a page classifies one image at a time; export it "
            "again with --batch 1 or --batch dynamic"
        )


def _rank(artefact: Artefact) -> int:
    kind = (artefact.format, artefact.precision)
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _why_none(
    artefacts: Sequence[Artefact], bundle: str, precision: str | None, engine: str | None
) -> str:
    listing = ", ".join(f"{one.path} ({one.format}, {one.precision})" for one in artefacts)
    wanted = " and ".join(word for word in (precision, engine) if word)
    if any(one.encodings for one in artefacts):
        mend = "LiteRT.js takes no 8-bit inputs: export it again without --tflite-io int8"
    else:
        mend = "export it again with --target tflite"
    return (
        f"{bundle} has nothing that a page runs{f' in {wanted}' * bool(wanted)}: {listing}; {mend}"
    )
