"""The table of inference engines: names, formats, packages, environments, classes. Needs no numpy.

`ENGINES` is the one place that states these facts: devices, bench, wheels, provenance and diagnosis
follow from it. An engine of another distribution is found by an entry point and states them in its
class.
"""

from __future__ import annotations

from dataclasses import dataclass

MAIN = "main"
"""The environment of a board that packages share unless they conflict."""
REFERENCE = "onnxruntime"
"""The engine of the canonical form, ONNX: export and verify compare the others with it."""


@dataclass(frozen=True)
class EnginePackage:
    """A package of the package index that contains an engine.

    Attributes:
        name: its name for pip.
        module: its name for ``import``; empty where only its engine's class knows it.
        extra: the extra of edgecnn with the tested versions; None for a plug-in.
        environment: packages of one environment share an interpreter on a board.
    """

    name: str
    module: str = ""
    extra: str | None = None
    environment: str = MAIN


@dataclass(frozen=True)
class EngineEntry:
    """Facts of an engine that are known before it is imported.

    Attributes:
        formats: artefact formats that it opens.
        packages: any one of them contains it, in order of preference; empty if none is needed.
        implementation: ``module:attribute`` of its class.
        export_flags: options of ``edgecnn export`` that add these formats to a bundle; empty where
            every bundle has them.
        is_double: a test double, which is not offered to users.
    """

    name: str
    formats: frozenset[str]
    packages: tuple[EnginePackage, ...]
    implementation: str
    export_flags: str = ""
    is_double: bool = False

    @property
    def extra(self) -> str | None:
        """The extra of edgecnn that installs it."""
        return self.packages[0].extra if self.packages else None

    @property
    def package_names(self) -> tuple[str, ...]:
        """Their names for pip."""
        return tuple(package.name for package in self.packages)


_ENTRIES = (
    EngineEntry(
        "onnxruntime",
        frozenset({"onnx"}),
        (EnginePackage("onnxruntime", "onnxruntime", "onnxruntime"),),
        "edgecnn_runtime.engines.onnxruntime:OnnxRuntimeEngine",
    ),
    EngineEntry(
        "openvino",
        frozenset({"openvino"}),
        (EnginePackage("openvino", "openvino", "openvino"),),
        "edgecnn_runtime.engines.openvino:OpenVINOEngine",
        "--target openvino",
    ),
    EngineEntry(
        "tflite",
        frozenset({"tflite"}),
        (
            EnginePackage("ai-edge-litert", "ai_edge_litert", "litert"),
            # The last release was built against NumPy 1, so it gets an environment of its own.
            EnginePackage("tflite-runtime", "tflite_runtime", "tflite", "tflite-runtime"),
        ),
        "edgecnn_runtime.engines.tflite:TFLiteEngine",
        "--target tflite",
    ),
    EngineEntry(
        "native",
        frozenset({"plan"}),
        (EnginePackage("edgecnn-native", "edgecnn_native", "native"),),
        "edgecnn_runtime.engines.native:NativeEngine",
        "--quantize int8 --target native",
    ),
    EngineEntry(
        "fake", frozenset({"fake"}), (), "edgecnn_runtime.engines.fake:FakeEngine", is_double=True
    ),
)
_ORACLES = (
    EngineEntry(
        "tflite-reference",
        frozenset({"tflite"}),
        _ENTRIES[2].packages,
        "edgecnn_runtime.engines.tflite_reference:TFLiteReferenceEngine",
    ),
)
ORACLES: dict[str, EngineEntry] = {entry.name: entry for entry in _ORACLES}
"""Engines whose answers define a format: `verify` asks them, no app or bench runs on them."""
ENGINES: dict[str, EngineEntry] = {entry.name: entry for entry in _ENTRIES}
"""In order of preference, the test double last."""
PACKAGES: dict[str, EnginePackage] = {
    package.name: package for entry in _ENTRIES for package in entry.packages
}
"""The packages of `ENGINES`, by their name for pip."""
