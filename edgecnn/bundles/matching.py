"""Inputs and outputs of two networks, matched by name or position, shape and layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgecnn.bundles.model_file import ModelFile
from edgecnn.errors import FileUnusable
from edgecnn_runtime.engines.adapted import TO_NHWC
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Matched:
    """How another network's inputs and outputs correspond to those of a bundle.

    Attributes:
        inputs, outputs: of the bundle, with the names of the other, and a free batch where the
            other's is free.
        names: of the bundle → of the other.
        layout: NHWC where its 4-D inputs or outputs have their channels last, and the bundle's not.
        encodings: (scale, zero point) by the other's name, where it holds integers.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    names: Mapping[str, str]
    layout: Literal["NHWC"] | None
    encodings: dict[str, tuple[float, int]] = field(default_factory=dict)


def match(ours: Manifest, theirs: ModelFile | Manifest, bundle: str, other: str) -> Matched:
    """Match the inputs and outputs of a bundle and of another network.

    Raises:
        FileUnusable: their number, shapes or types are others.
    """
    names: dict[str, str] = {}
    ends: list[tuple[TensorSpec, ...]] = []
    layouts: set[Literal["NHWC"] | None] = set()
    known = theirs.encodings if isinstance(theirs, ModelFile) else {}
    for what, own, foreign in (
        ("reads", ours.inputs, theirs.inputs),
        ("answers", ours.outputs, theirs.outputs),
    ):
        pairs = _pairs(own, foreign)
        if pairs is None or not all(_fits(one, each, known) for one, each in pairs):
            raise FileUnusable(
                f"{other} {what} {_listed(foreign)}, and {bundle} {_listed(own)}: they are not "
                "forms of one network, so that their answers cannot be compared"
            )
        names |= {one.name: each.name for one, each in pairs}
        ends.append(tuple(_joined(one, each) for one, each in pairs))
        layouts |= {_layout(one.shape, each.shape) for one, each in pairs if len(one.shape) == 4}
    if len(layouts) > 1:
        raise FileUnusable(
            f"{other} has channels last in some of its inputs and outputs, and first in others; "
            "write it with one order"
        )
    encodings = {
        name: known[name] for name in names.values() if name in known and _is_integer(theirs, name)
    }
    inputs, outputs = ends
    return Matched(inputs, outputs, names, layouts.pop() if layouts else None, encodings)


def _joined(own: TensorSpec, other: TensorSpec) -> TensorSpec:
    """Our tensor under the other's name; its batch is free where the other's is."""
    is_free = own.shape and other.shape[0] is None
    shape = (None, *own.shape[1:]) if is_free else own.shape
    return TensorSpec(other.name, own.dtype, shape)


def _pairs(
    own: Sequence[TensorSpec], foreign: Sequence[TensorSpec]
) -> list[tuple[TensorSpec, TensorSpec]] | None:
    """Ours with theirs: of the same names, or else in their order."""
    if len(own) != len(foreign):
        return None
    by_name = {spec.name: spec for spec in foreign}
    if all(spec.name in by_name for spec in own):
        return [(spec, by_name[spec.name]) for spec in own]
    return list(zip(own, foreign, strict=True))


def _fits(own: TensorSpec, other: TensorSpec, known: Mapping[str, tuple[float, int]]) -> bool:
    is_encoded = other.name in known and own.dtype == "float32"
    if own.dtype != other.dtype and not is_encoded:
        return False
    return _is_alike(own.shape, other.shape) or _is_alike(_nhwc(own.shape), other.shape)


def _layout(own: Shape, other: Shape) -> Literal["NHWC"] | None:
    return None if _is_alike(own, other) else "NHWC"


def _nhwc(shape: Shape) -> Shape:
    return tuple(shape[axis] for axis in TO_NHWC) if len(shape) == 4 else shape


def _is_alike(own: Shape, other: Shape) -> bool:
    """Whether the extents are equal; a free batch takes a fixed one."""
    return len(own) == len(other) and all(
        one == each or (axis == 0 and None in (one, each))
        for axis, (one, each) in enumerate(zip(own, other, strict=True))
    )


def _is_integer(theirs: ModelFile | Manifest, name: str) -> bool:
    specs = (*theirs.inputs, *theirs.outputs)
    return any(spec.name == name and spec.dtype in ("int8", "uint8") for spec in specs)


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(map(str, specs)) or "nothing"
