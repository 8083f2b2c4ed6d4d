"""The export works on a normalised copy; the user's module stays as it is."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm

from edgecnn_exporters.capture.prepare import prepare
from edgecnn_exporters.errors import UnsupportedModel

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten())


def answers(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = module(X.clone())
    return result


def test_a_module_in_training_mode_is_exported_in_evaluation_mode_and_stays_in_its_own() -> None:
    module = net()
    before = copy.deepcopy(module.state_dict())
    prepared = prepare(module)
    assert torch.equal(answers(prepared.module), answers(net().eval()))
    assert all(layer.training for layer in module.modules())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert prepared.notes == (
        "in training mode (1 BatchNorm2d, 1 Dropout): exported in evaluation mode, as after "
        ".eval()",
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_type_become_float32(dtype: torch.dtype) -> None:
    module = net().eval().to(dtype)
    prepared = prepare(module)
    assert {value.dtype for value in prepared.module.parameters()} == {torch.float32}
    assert module[0].weight.dtype == dtype
    name = str(dtype).removeprefix("torch.")
    assert prepared.notes == (f"weights in {name}: exported in float32",)


def test_channels_last_becomes_contiguous() -> None:
    module = net().eval().to(memory_format=torch.channels_last)
    prepared = prepare(module)
    assert prepared.module[0].weight.is_contiguous()
    assert not module[0].weight.is_contiguous()
    assert "channels_last" in prepared.notes[0]


class DistributedDataParallel(nn.Module):
    """A wrapper of the name that several libraries use."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        DistributedDataParallel,
        lambda module: torch.compile(nn.DataParallel(module), backend="eager"),
        torch.optim.swa_utils.AveragedModel,
    ],
)
def test_wrappers_are_taken_off(wrap) -> None:  # type: ignore[no-untyped-def]
    prepared = prepare(wrap(net().eval()))
    assert type(prepared.module) is nn.Sequential
    assert torch.equal(answers(prepared.module), answers(net().eval()))
    assert "the network inside is exported" in prepared.notes[0]


def test_a_part_that_is_compiled_alone_is_taken_out_of_its_wrapper() -> None:
    whole = nn.Sequential(torch.compile(net().eval(), backend="eager"), nn.ReLU()).eval()
    prepared = prepare(whole)
    assert type(prepared.module[0]) is nn.Sequential
    assert type(whole[0]) is not nn.Sequential


def test_a_network_that_calls_its_part_module_keeps_what_it_does_around_it() -> None:
    class Doubling(DistributedDataParallel):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.module(2 * x)  # type: ignore[no-any-return]

    Doubling.__name__ = "Doubling"
    prepared = prepare(Doubling(net().eval()))
    assert prepared.notes == ()
    assert not torch.equal(answers(prepared.module), answers(net().eval()))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_that_a_hook_computes_is_copied() -> None:
    module = nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3))).eval()
    expected = module(X)  # with gradients: the weight is now the result of a computation
    assert torch.equal(answers(prepare(module).module), expected.detach())


def test_weights_without_values_are_refused() -> None:
    with torch.device("meta"):
        module = net()
    with pytest.raises(UnsupportedModel, match=r"weight 0\.weight is on the meta device"):
        prepare(module)
    with pytest.raises(UnsupportedModel, match=r"weight 0\.weight has no shape yet"):
        prepare(nn.Sequential(nn.LazyConv2d(4, 3)))


def test_what_cannot_be_copied_is_exported_only_as_it_is() -> None:
    module = net()
    module.lock = threading.Lock()
    with pytest.raises(UnsupportedModel, match=r"cannot be copied .* in training mode"):
        prepare(module)
    assert module.training
    assert not prepare(module, is_own=True).module.training
    assert prepare(module).module is module
