from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn_exporters.capture.kept_parameters import lost_parameters
from edgecnn_exporters.capture.pytorch_exporters import EXPORTERS, quiet
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture, job_of
from edgecnn_exporters.passes import canonicalise, canonicalise_for_training

FEEDS = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)


class Net(nn.Module):
    """A fresh normalisation (its scale equals its variance), a shared layer, an unused one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.zero = nn.Conv2d(4, 4, 1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.twice
        self.unused = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)
        nn.init.zeros_(self.zero.bias)  # type: ignore[arg-type] # it has one

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.zero(torch.relu(self.norm(self.conv(x))))
        x = torch.relu(self.again(torch.relu(self.twice(x))))
        result: torch.Tensor = self.head(x.mean((2, 3)))
        return result


def network() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_every_parameter_is_an_initialiser_by_its_name(
    exporter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgecnn_exporters.capture.torch_export.EXPORTERS", {exporter: EXPORTERS[exporter]}
    )
    net = network()
    reference = run_module(net, [FEEDS[:2], FEEDS[:3]])
    model = capture(net, reference, batch=None, opset=18, keeps_parameters=True).model
    canonicalise_for_training(model)
    held = {name for name, value in model.graph.initializers.items() if value.uses()}
    expected = {name for name, _ in net.named_parameters() if not name.startswith("unused")}
    statistics = {"norm.running_mean", "norm.running_var"}
    # The shared layer is there once, by one of its names.
    assert {name.replace("again", "twice") for name in held} == expected | statistics
    assert len(held) == len(expected | statistics)
    assert sum(node.op_type == "BatchNormalization" for node in model.graph) == 1


def test_a_folded_normalisation_is_noticed() -> None:
    net = network()
    reference = run_module(net, [FEEDS[:2], FEEDS[:3]])
    with quiet():
        model = EXPORTERS["dynamo"](job_of(net, reference, None, 18))
    canonicalise(model)
    assert lost_parameters(net, model, FEEDS[:2])[:2] == ["norm.weight", "norm.bias"]
