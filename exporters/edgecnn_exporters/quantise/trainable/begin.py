"""Beginning of a quantisation-aware training: from a float module to a trainable 8-bit network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
import torch

from edgecnn_exporters.capture import prepare as copies
from edgecnn_exporters.capture.norm_statistics import norm_statistics
from edgecnn_exporters.capture.onnx_source import OPSET
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.calibrate.results import encode_result
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.qdq import Numbers, bias_of
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.ladder import Quantised, quantise
from edgecnn_exporters.quantise.trainable.homes import (
    PRODUCTS,
    WeightHome,
    find_homes,
    write_back,
)
from edgecnn_exporters.quantise.trainable.network import TrainableNetwork
from edgecnn_exporters.quantise.trainable.parameters import key_of, weight_name
from edgecnn_exporters.quantise.trained import TrainedNumbers, trained_numbers
from edgecnn_runtime.encoding import Encoding, Range
from edgecnn_runtime.progress import StepProgress, no_steps

# Inputs on which the capture is compared with the module.
COMPARED = (2, 3)


@dataclass(frozen=True)
class QuantisedTraining:
    """A network that is to be trained in 8 bits, and the way back into its module.

    Attributes:
        module: the float network, as it was captured.
        quantised: where the training begins: the result of the ladder.
        network: what is trained.
        homes: of its weights in the module, by the nodes' names.
        samples: inputs that measure the ranges of results.
    """

    module: torch.nn.Module
    quantised: Quantised
    network: TrainableNetwork
    homes: Mapping[str, WeightHome]
    samples: Samples

    def trained(self) -> tuple[dict[str, torch.Tensor], TrainedNumbers]:
        """The module's state dict with the trained weights as they are rounded, and the rest."""
        self.network.eval()
        with torch.no_grad():
            numbers = replace(self.network.numbers(), results=self._results())
        bits = self.quantised.bench.config.weight_bits
        kept = trained_numbers(self.quantised.state.plan, numbers, bits)
        return self._state_dict(numbers), kept

    def _state_dict(self, numbers: Numbers) -> dict[str, torch.Tensor]:
        weights = {name: each.dequantise() for name, each in numbers.weights.items()}
        biases = dict(numbers.biases)
        floats = self.network.weights()
        for node in self.quantised.state.model.graph:
            name = str(node.name)
            if name in self.homes and name not in weights:
                weights[name] = floats[weight_name(node)]
                bias = node.inputs[2] if len(node.inputs) > 2 else None
                if bias is not None:
                    biases[name] = floats[str(bias.name)]
        return write_back(self.module, self.homes, weights, biases)

    def _results(self) -> dict[str, Encoding]:
        """Encodings of the float results of the last sums, over the range of the samples."""
        names = self.quantised.state.plan.results
        ranges: dict[str, Range] = {}
        device = next(self.network.parameters()).device
        for sample in self.samples if names else ():
            given = {self.network.inputs[0]: torch.from_numpy(sample).to(device)}
            for name, value in self.network.run(given, names).items():
                seen = Range(float(value.min()), float(value.max()))
                ranges[name] = ranges[name].joined(seen) if name in ranges else seen
        return {name: encode_result(each) for name, each in ranges.items()}


def begin(
    module: torch.nn.Module,
    samples: Samples,
    config: QuantConfig | None = None,
    progress: StepProgress = no_steps,
) -> QuantisedTraining:
    """Capture a float module, quantise it by the ladder, and make it trainable.

    Args:
        samples: training inputs, (1, …) each.

    Raises:
        CaptureFailed, UnsupportedModel, CalibrationFailed: as the export of the module says; also
            where the graph has an operator without a gradient here, or a weight without a home.
    """
    own = copies.prepare(module).module
    some = np.concatenate(
        [sample for sample, _ in zip(samples, range(max(COMPARED)), strict=False)]
    )
    reference = run_module(own, [some[:size] for size in COMPARED])
    model = capture(own, reference, batch=None, opset=OPSET).model
    canonicalise(model)
    prepared = model.clone()
    prepare(prepared)
    homes = find_homes(own, prepared.graph, norm_statistics(own, some[:1]))
    config = config or QuantConfig()
    quantised = quantise(model, samples, config, progress)
    network = _trainable(quantised)
    if _changes_homeless(prepared.graph, homes, quantised, network):
        # Equalisation and error feedback change weights, and "fast" has neither.
        quantised = quantise(model, samples, replace(config, recipe="fast"), progress)
        network = _trainable(quantised)
    _freeze_homeless(network, homes, quantised)
    return QuantisedTraining(own, quantised, network, homes, samples)


def _trainable(quantised: Quantised) -> TrainableNetwork:
    state, bits = quantised.state, quantised.bench.config.weight_bits
    return TrainableNetwork(state.model, state.plan, state.numbers, bits)


def _changes_homeless(
    before: ir.Graph,
    homes: Mapping[str, WeightHome],
    quantised: Quantised,
    network: TrainableNetwork,
) -> bool:
    """Whether the ladder moved a weight or a bias that the module cannot hold."""
    old = {str(node.name): node for node in before}
    weights = network.weights()
    for node in quantised.state.model.graph:
        name = str(node.name)
        if not is_operator(node, *PRODUCTS):
            continue
        home, was, now = homes.get(name), bias_of(old[name]), bias_of(node)
        own = weights.get(weight_name(node))
        if home is None and own is not None and not np.array_equal(own, weight_of(old[name])):
            return True
        if was is None or now is None:
            is_bias_moved = was is not now
        else:
            is_bias_moved = not np.array_equal(was, now)
        if is_bias_moved and (home is None or not home.has_bias):
            return True
    return False


def _freeze_homeless(
    network: TrainableNetwork, homes: Mapping[str, WeightHome], quantised: Quantised
) -> None:
    """Only what the module can hold is trained: not the weights of a pooling, for example."""
    for node in quantised.state.model.graph:
        name = str(node.name)
        home, key = homes.get(name), key_of(name)
        if home is None and key in network.weight_scales:
            network.floats[key_of(weight_name(node))].requires_grad_(False)
            network.weight_scales[key].requires_grad_(False)
        if key in network.biases and (home is None or not home.has_bias):
            network.biases[key].requires_grad_(False)
