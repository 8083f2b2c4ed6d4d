"""Targets: the formats that the canonical graph is translated to, behind one protocol.

In-tree targets are the dict `TARGETS`; others register the entry point group ``edgecnn.targets``.
The name of the entry point is what ``edgecnn export --target`` takes:

    [project.entry-points."edgecnn.targets"]
    mine = "my_package.target:MyTarget"

A target copies every scale that the QDQ graph holds and quantises nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast

from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.manifest import Artefact, Preprocess, ProofKind

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    import onnx_ir as ir

    from edgecnn_runtime.engines.protocol import Engine

Precision = Literal["fp32", "fp16", "int8"]
# With the other kinds of proof no output was computed.
ANSWERED: frozenset[ProofKind] = frozenset({"exact", "measured", "simulated"})

# Artefacts of one precision are in this order in a bundle. ONNX is in every bundle.
TARGETS: Mapping[str, str] = {
    "onnx": "edgecnn_exporters.targets.onnx.target:OnnxTarget",
    "tflite": "edgecnn_exporters.targets.tflite.target:TfliteTarget",
    "openvino": "edgecnn_exporters.targets.openvino.target:OpenVinoTarget",
    "native": "edgecnn_exporters.targets.native.target:NativeTarget",
}
# Those that hold not every network. Asked for among all, one is left out where it cannot.
PARTIAL = frozenset({"native"})
GROUP = "edgecnn.targets"


class UnknownTarget(EdgeCNNError):
    """No target has that name."""


class TargetInvalid(EdgeCNNError):
    """A target cannot be loaded, or its artefact is not what the target declares."""


@dataclass(frozen=True)
class About:
    """Metadata of a network that an artefact may carry beside its graph.

    Attributes:
        is_zoo: it is one of edgecnn's own networks, whose layouts are known.
        weight_bits: of the QDQ graph's weights; None where nothing was quantised.
    """

    name: str
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] = ()
    is_zoo: bool = False
    weight_bits: int | None = None


@dataclass(frozen=True)
class Translated:
    """An artefact in a target's format.

    Attributes:
        target: the target that wrote it.
        files: content by path in the bundle, for the paths that `artefact` names.
        operators: count of each operator in it; empty where the target does not count them.
        batch: the batch size that it is fixed to, where the graph's is dynamic; else None.
        notes: warnings about its use on this machine.
    """

    target: Target
    artefact: Artefact
    files: Mapping[str, bytes]
    operators: Mapping[str, int]
    batch: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> bytes:
        """The file that an engine opens."""
        return self.files[self.artefact.path]

    @property
    def weights(self) -> bytes | None:
        """The companion file, of a format that has one."""
        path = self.artefact.weights
        return None if path is None else self.files[path]


@dataclass(frozen=True)
class NoOptions:
    """The options of a target that has none."""


class Target(Protocol):
    """One format, with options. `tests/contract/test_targets.py` is what each must hold to."""

    name: ClassVar[str]
    format: ClassVar[str]
    """Of its artefacts in the manifest; several targets may share one."""
    suffixes: ClassVar[tuple[str, ...]]
    """Of its files: the one that an engine opens, then the companion file's where there is one."""
    precisions: ClassVar[tuple[Precision, ...]]
    """Those that it writes."""
    options_type: ClassVar[type[Any]]
    """A frozen dataclass, every field with a default: the argument of the class."""

    @property
    def options(self) -> Any:
        """An instance of `options_type`."""
        ...

    @property
    def engine(self) -> str | None:
        """Name of the engine that runs its artefacts here; None where none does."""
        ...

    @property
    def proof(self) -> ProofKind:
        """How far this machine can prove its artefacts; with an output only by an `engine`.

        An artefact with a proof of `ANSWERED` is packed only once it is accepted.
        """
        ...

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        """The model in this format; `model` stays as it is.

        Args:
            model: the canonical float graph, for int8 the QDQ graph.
            precision: one of `precisions`.

        Raises:
            UnsupportedModel: the format cannot hold the graph.
            LimitMissed: the artefact is not within what the options allow.
        """
        ...

    def open_exact(self, translated: Translated) -> Engine | None:
        """The artefact, computed without a known fault of this processor's kernels.

        An artefact of int8 that misses its limit on `engine` is tried again on this one. None:
        no fault is known here.
        """
        ...


def target_names() -> Iterator[str]:
    """Names of all known targets: those of the table in its order, then those of entry points."""
    yield from TARGETS
    yield from (point.name for point in _entry_points() if point.name not in TARGETS)


def target_class(name: str) -> type[Target]:
    """The class of the target named `name`.

    Raises:
        UnknownTarget: there is none.
        TargetInvalid: the entry point of that name cannot be loaded.
    """
    if name in TARGETS:
        module, attribute = TARGETS[name].split(":")
        return cast("type[Target]", getattr(importlib.import_module(module), attribute))
    for point in _entry_points():
        if point.name == name:
            try:
                return cast("type[Target]", point.load())
            except (ImportError, AttributeError) as error:
                raise TargetInvalid(
                    f"target {name!r} ({point.value}) cannot be loaded: {error}; fix or remove "
                    "the distribution that registers it"
                ) from error
    raise UnknownTarget(f"no target is called {name!r}; there are {', '.join(target_names())}")


def make_target(name: str, settings: Mapping[str, object] | None = None) -> Target:
    """The target named `name`, with its options; those not in `settings` keep their defaults.

    Raises:
        UnknownTarget, TargetInvalid: as `target_class` says.
    """
    kind: Any = target_class(name)
    return cast("Target", kind(kind.options_type(**(settings or {}))))


def artefact_path(precision: Precision, suffix: str) -> str:
    """``model.SUFFIX`` of fp32, ``model.PRECISION.SUFFIX`` of the others."""
    return f"model{suffix}" if precision == "fp32" else f"model.{precision}{suffix}"


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
