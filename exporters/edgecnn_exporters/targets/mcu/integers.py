"""Golden examples of a network in integers: inputs, and answers of LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.adapted import Adapted
from edgecnn_runtime.engines.tflite_reference import TFLiteReferenceEngine


@dataclass(frozen=True)
class GoldenIntegers:
    """Golden examples as the TFLite file reads and writes them: arrays by name, for each example.

    Attributes:
        inputs: int8, in the file's layout.
        outputs: int8 of LiteRT's reference kernels, in the file's layout.
        rewritten: number of FULLY_CONNECTED that were computed as CONV_2D: see `fixed_point`.
    """

    inputs: Sequence[Mapping[str, Array]]
    outputs: Sequence[Mapping[str, Array]]
    rewritten: int


def golden_integers(network: IntegerNetwork) -> GoldenIntegers:
    """The network's golden examples in integers, answered by LiteRT's reference kernels.

    Raises:
        EngineError: LiteRT refuses the model.
        ManifestInvalid: it has other inputs or outputs than the manifest.
    """
    from edgecnn_exporters.targets.tflite.fixed_point import fixed_point_form

    form, rewritten = fixed_point_form(network.tflite)
    engine = TFLiteReferenceEngine.open(form, threads=1)
    try:
        adapted = Adapted(engine, network.manifest, network.tflite_entry)
        feeds = [adapted.native(example.inputs) for example in network.examples]
        outputs = [engine.run(each) for each in feeds]
    finally:
        engine.close()
    return GoldenIntegers(feeds, outputs, rewritten)
