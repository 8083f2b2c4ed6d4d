from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from edgecnn_exporters.capture.norm_statistics import norm_statistics, note_moments  # noqa: E402
from edgecnn_exporters.capture.reference import run_module  # noqa: E402
from edgecnn_exporters.capture.torch_export import capture  # noqa: E402
from edgecnn_exporters.passes import canonicalise  # noqa: E402
from edgecnn_exporters.passes.moments import noted  # noqa: E402

FEEDS = [np.random.default_rng(0).standard_normal((n, 3, 8, 8)).astype(np.float32) for n in (2, 3)]


class Net(nn.Module):
    """conv → norm, a norm alone, one that runs twice, and one whose conv has a second reader."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.alone = nn.BatchNorm2d(4)
        self.twice = nn.BatchNorm2d(4)
        self.read, self.beside = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, affine=False)
        for number, layer in enumerate((self.norm, self.alone, self.twice)):
            layer.weight.data = torch.linspace(-1, 2, 4) + number
            layer.bias.data = torch.linspace(0, 3, 4) - number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.alone(torch.relu(self.norm(self.conv(x))))
        x = self.twice(torch.relu(self.twice(torch.relu(x))))
        read = self.read(x)
        return read + self.beside(read)


def test_every_normalisation_that_runs_once_is_told() -> None:
    found = {each.norm: each for each in norm_statistics(Net().eval(), FEEDS[0])}
    assert {norm: each.convolution for norm, each in found.items()} == {
        "norm": "conv",
        "alone": None,
        "beside": "read",
    }
    np.testing.assert_allclose(found["norm"].moments.deviation, [1, 0, 1, 2], atol=1e-6)
    np.testing.assert_allclose(found["norm"].moments.mean, [0, 1, 2, 3], atol=1e-6)
    np.testing.assert_array_equal(found["beside"].moments.deviation, 1)


def test_nothing_is_left_hooked() -> None:
    module = Net().eval()
    norm_statistics(module, FEEDS[0])
    assert not any(layer._forward_hooks for layer in module.modules())


def test_they_are_noted_where_the_graph_has_what_they_normalise() -> None:
    module = Net().eval()
    model = capture(module, run_module(module, FEEDS), batch=None, opset=18).model
    canonicalise(model)
    note_moments(model, norm_statistics(module, FEEDS[0]))
    found = {str(n.name): noted(n.outputs[0]) for n in model.graph}
    # What the norm is folded into, and a norm of its own; never a conv that others read as it is.
    assert found["conv"] is not None
    np.testing.assert_allclose(found["conv"].mean, [0, 1, 2, 3], atol=1e-6)
    assert found["alone"] is not None
    assert found["read"] is None
