"""Every network of the zoo through the main job: the ONNX answers as PyTorch does.

Here at full size; `test_all_engines.py` has a thin form of each, in every format and engine.

Random weights would leave BatchNorm with mean 0 and deviation 1, which nothing can get wrong; so
every BatchNorm gets weights of its own and the statistics of a forward pass.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

from edgecnn.model.build import build_network
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn.model.settle import settle
from edgecnn.model.weights import shipped
from edgecnn.zoo import ARCHITECTURES, FAMILIES, Form
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.export import export_module
from edgecnn_exporters.targets import Target
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.tensor_spec import TensorSpec

# What fp32 sums in another order leave, relative to the largest output.
RELATIVE = 1e-5
# A family's smallest network stands for it where every one would take too long.
FIRST = [family.architectures[0].name for family in FAMILIES]
# One of each kind of block; the other networks have more of the same ones.
KINDS = (
    *FIRST,
    *("lenet5_relu", "alexnet_2012", "vgg11_bn", "resnet50", "resnet8", "densenet40"),
    *("densenet100_bc", "mobilenet_v3_large", "efficientnet"),
)
# Squeeze-and-excitation, hard swish and depthwise convolutions, at 224 pixels.
FULL = "mobilenet_v3_small"
# Sums behind convolutions; and what the network above has, trained.
TRAINED = ("resnet20", "mobilenet_v3_small")
SHIPPED = [(name, data) for name in ARCHITECTURES for data in shipped(name)]


def thin_form(name: str) -> Form:
    """A form of the network that takes seconds, with all its kinds of layers."""
    options = ARCHITECTURES[name].options
    depth = {"resnet110": 0.2, "resnet1202": 0.02, "densenet100": 0.2}.get(name, 0.5)
    return Form(
        classes=10,
        width=0.25 if "width" in options else None,
        depth=depth if "depth" in options else None,
        stem="small" if "stem" in options else None,
        phi=-4 if "phi" in options else None,
    )


def settled(name: str, form: Form | None = None) -> Network:
    """The network with weights of chance, the same at every call, and statistics that fit them."""
    torch.manual_seed(0)
    network = build_network(
        resolve(name), NetworkOptions("random", form=form or Form(), quiet=True)
    )
    settle(network.module, network.shape, None)
    return network


def export(
    network: Network, path: Path, targets: tuple[Target, ...] = (), *, half: bool = False
) -> onnx.ModelProto:
    """The exported graph, once its answers agree at batch 1, 2, 3 and 7."""
    spec = TensorSpec("input", "float32", (None, *network.shape))
    request = Request(network.name, spec, preprocess=None, targets=targets, half=half)
    exported = export_module(network.module, request, path, lambda stage: None)
    assert exported.difference.relative <= RELATIVE
    assert exported.difference.top1_agreement == 1
    assert {1, 3} <= set(exported.manifest.provenance["batches"])
    with Bundle(path) as bundle:
        return onnx.load_from_string(bundle.read(bundle.manifest.artefacts[0].path))


def check_graph(model: onnx.ModelProto, network: Network) -> None:
    """Nothing of training is left, and the weights are called as PyTorch calls them."""
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Dropout", "Identity"}
    assert [output.name for output in model.graph.output] == ["logits"]
    initialisers = {tensor.name for tensor in model.graph.initializer}
    assert not any(name.startswith("aux") for name in initialisers)
    own = set(network.module.state_dict())
    weights = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    assert weights <= own, sorted(weights - own)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.slow
            if name == FULL
            else (pytest.mark.matrix if name in FIRST else pytest.mark.exhaustive),
        )
        for name in ARCHITECTURES
    ],
)
def test_every_network_at_full_size_is_equal(tmp_path: Path, name: str) -> None:
    network = settled(name)
    check_graph(export(network, tmp_path / "full.edge"), network)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(name, data, marks=pytest.mark.slow if name in TRAINED else pytest.mark.matrix)
        for name, data in SHIPPED
    ],
)
def test_every_shipped_checkpoint_is_equal(tmp_path: Path, name: str, data: str) -> None:
    network = build_network(resolve(name), NetworkOptions(data, quiet=True))
    check_graph(export(network, tmp_path / "trained.edge"), network)
