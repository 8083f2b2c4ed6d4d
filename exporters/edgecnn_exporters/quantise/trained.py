"""Numbers of a quantised network that come from its training, in place of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.errors import ScalesMismatch
from edgecnn_exporters.quantise.calibrate.collect import CalibrationStatistics
from edgecnn_exporters.quantise.calibrate.held_out import divide
from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan, make_plan
from edgecnn_exporters.quantise.graph.qdq import Numbers, write_qdq
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.judges import check_can_be_shown, make_judges
from edgecnn_exporters.quantise.ladder import Quantised, describe_kernels, refuse_quantised
from edgecnn_exporters.quantise.memory import fit_memory
from edgecnn_exporters.quantise.state import Bench, LadderState
from edgecnn_exporters.quantise.steps.mixed import check_limit
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Encoding, QuantisedWeight, quantise_weight
from edgecnn_runtime.progress import no_progress

# In place of an observer's name.
TRAINING = "training"
LISTED = 3


@dataclass(frozen=True)
class TrainedNumbers:
    """Numbers of a trained 8-bit network, but for its weights, which are rounded at their scales.

    Attributes:
        activations: the encoding of each 8-bit value, by its name.
        scales: of each product's weight, (channels,) or (), by the node's name.
        biases: (channels,), by the node's name.
        results: how 8 bits would hold the float results of the last sums, by their names.
        kept: nodes that stay float although they need not.
        coarse: nodes that no 8-bit encoding serves, with the reason.
        weight_bits: 8 or 7.
    """

    activations: Mapping[str, Encoding]
    scales: Mapping[str, Float32]
    biases: Mapping[str, Float32]
    results: Mapping[str, Encoding]
    kept: tuple[str, ...]
    coarse: Mapping[str, str]
    weight_bits: int = 8

    def fit(self, graph: ir.Graph) -> tuple[QuantisationPlan, Numbers]:
        """The plan and all numbers of a prepared float graph with the trained weights.

        Raises:
            ScalesMismatch: it has other values or products than the trained one.
        """
        plan = make_plan(graph, self.kept, self.coarse)
        products = {
            str(node.name): node
            for node in graph
            if plan.integer.get(str(node.name)) is Role.PRODUCT
        }
        values = {name for group in plan.groups for name in group.values}
        odd = sorted(values ^ set(self.activations)) or sorted(set(products) ^ set(self.scales))
        if odd:
            more = f" and {len(odd) - LISTED} more" if len(odd) > LISTED else ""
            raise ScalesMismatch(
                f"the scales from training are of another graph than this network's: only one of "
                f"the two has {', '.join(odd[:LISTED])}{more}; train again with this version of "
                "edgecnn"
            )
        weights = {name: self._weight(node) for name, node in products.items()}
        return plan, Numbers(self.activations, weights, self.biases, self.results)

    def _weight(self, node: ir.Node) -> QuantisedWeight:
        name, weight = str(node.name), weight_of(node)
        axis = RULES[node.op_type].weight_axis
        scale, bias = self.scales[name], self.biases.get(name)
        channels = weight.shape[axis]
        # The channels of a grouped ConvTranspose lie on two axes; it has one scale.
        outputs = channels * (node.attributes.get_int("group", 1) if axis == 1 else 1)
        if scale.shape not in ((), (channels,)) or (bias is not None and len(bias) != outputs):
            raise ScalesMismatch(
                f"{name}: the scales from training are not of its {channels} channels; train again "
                "from the float network"
            )
        return quantise_weight(weight, scale, axis, self.weight_bits)


def trained_numbers(plan: QuantisationPlan, numbers: Numbers, bits: int = 8) -> TrainedNumbers:
    """What is to be kept of the numbers of a trained network."""
    scales = {name: weight.scale for name, weight in numbers.weights.items()}
    return TrainedNumbers(
        numbers.activations, scales, numbers.biases, numbers.results, plan.kept, plan.coarse, bits
    )


def quantise_trained(
    model: ir.Model,
    samples: Samples,
    trained: TrainedNumbers,
    config: QuantConfig,
    *,
    fresh: Samples = (),
) -> Quantised:
    """Quantise a network with the scales and biases of its training; nothing is calibrated.

    Args:
        model: the canonical float network with the trained weights; it stays as it is.
        samples: inputs like those of the device.
        fresh: further ones, which measure the result.

    Raises:
        ScalesMismatch: the numbers are of another graph.
        UnsupportedModel: the graph is quantised already.
        LimitMissed: a stated limit is not met, or cannot be shown with so few samples.
    """
    refuse_quantised(model)
    division = divide(samples, fresh)
    if config.min_agreement is not None:
        check_can_be_shown(config.min_agreement, division)
    prepared = model.clone()
    forms = prepare(prepared)
    plan, numbers = trained.fit(prepared.graph)
    memory = fit_memory(prepared, plan, next(iter(samples)), config.memory_limit)
    judges = make_judges(model, division)
    bench = Bench(config, division.fit, judges, no_progress, memory=memory)
    qdq = write_qdq(prepared, plan, numbers)
    calibration = CalibrationStatistics({}, {}, 0)
    state = LadderState(prepared, plan, calibration, TRAINING, numbers, qdq, bench.score(qdq))
    check_limit(state, bench)
    return Quantised(
        first=state,
        state=state,
        rungs=(),
        forms=forms.changed,
        calibrated=0,
        bench=bench,
        fresh=judges.confirm(qdq),
        left_alone=forms.left_alone,
        notes=(
            "scales, biases and rounding of int8 come from training: nothing is calibrated",
            *describe_kernels(qdq, judges.compared),
        ),
        is_trained=True,
    )
