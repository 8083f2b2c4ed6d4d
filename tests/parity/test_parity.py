"""Architecture × artefact × engine × precision: each equal to PyTorch, within one table.

The table is `edgecnn_runtime.parity.tolerances.TOLERANCES`, where each number has its reason.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn.zoo import Form
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.export import export_module
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.parity.tolerances import TOLERANCES
from edgecnn_runtime.parity.verify import verify
from edgecnn_runtime.tensor_spec import TensorSpec

# Reduced in width and resolution, so that each takes seconds; full size is the main job's test.
NETWORKS = {
    "lenet5": NetworkOptions("random"),
    "mobilenet_v2": NetworkOptions("random", shape=(3, 96, 96), form=Form(width=0.35)),
}


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_artefact_on_every_engine_is_equal(
    tmp_path: Path, name: str, batch: int | None
) -> None:
    network = build_network(resolve(name), NETWORKS[name])
    spec = TensorSpec("input", "float32", (batch, *network.shape))
    request = Request(name, spec, preprocess=None)
    path = tmp_path / f"{name}.edge"
    export_module(network.module, request, path, lambda stage: None)
    with Bundle(path) as bundle:
        rows = verify(bundle)
    ran = [row for row in rows if row.difference is not None]
    assert {(row.subject, row.precision) for row in ran} == {("model.onnx", "fp32")}
    for row in ran:
        assert row.verdict == "equal"
        assert row.difference is not None
        assert row.difference.relative <= TOLERANCES[row.precision].relative
        assert row.difference.top1_agreement == 1


def test_every_tolerance_has_its_reason() -> None:
    for tolerance in TOLERANCES.values():
        assert 0 < tolerance.relative < 1
        assert len(tolerance.reason) > 40
