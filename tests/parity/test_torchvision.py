"""The zoo against torchvision's own networks: same weights and photographs, same answers.

torchvision is fetched as a wheel, never installed: see `golden/make_torchvision_keys.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from golden.make_torchvision_keys import FAMILIES, build_published, import_torchvision
from torch import nn
from torch.optim.swa_utils import update_bn

from edgecnn.errors import SourceFailed
from edgecnn.zoo import ARCHITECTURES
from edgecnn_exporters.capture.examples import example_images
from edgecnn_runtime.image.preprocess import preprocess

pytestmark = pytest.mark.network

# The smallest of each family every time.
NETWORKS = [
    pytest.param(name, marks=[] if index == 0 else pytest.mark.matrix)
    for names in FAMILIES.values()
    for index, name in enumerate(names)
]
# Both sides run the same kernels of PyTorch, so that what differs is rounding: float32 has 6e-8.
RELATIVE = 1e-5
# Networks that read images of one size.
SIZED = ("alexnet", "vgg")
# Pixels along a side that the images of the others keep at least.
LEAST_SIDE = 96
# Of the largest logit. Below it the networks would agree because neither looks at its input.
LEAST_SPREAD = 0.05


@pytest.fixture(scope="module")
def published() -> Callable[[str], nn.Module]:
    """torchvision's network of a name, without weights."""
    try:
        import_torchvision()
    except SourceFailed as error:
        pytest.skip(f"torchvision's wheel is not in the cache and cannot be fetched: {error}")
    return build_published


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_weights_give_the_same_logits(
    name: str, published: Callable[[str], nn.Module]
) -> None:
    inputs = photographs(name)
    own = randomised(name, inputs)
    theirs = with_weights_of(own, published(name)).eval()
    with torch.inference_mode():
        found, expected = own(inputs), theirs(inputs)
    assert found.shape == expected.shape == (len(inputs), 1000)
    spread = (expected - expected.mean(0)).abs().max()
    assert spread > LEAST_SPREAD * expected.abs().max()
    assert relative(found, expected) <= RELATIVE


@pytest.mark.parametrize("name", [name for names in FAMILIES.values() for name in names])
def test_what_weights_do_not_hold_is_the_same(
    name: str, published: Callable[[str], nn.Module]
) -> None:
    """Epsilon and momentum of every batch norm, and every probability of dropping something."""
    with torch.device("meta"):
        own = ARCHITECTURES[name].build(classes=1000)
    theirs = published(name)
    assert batch_norms(own) == batch_norms(theirs)
    assert dropouts(own) == dropouts(theirs)
    assert stochastic_depths(own) == stochastic_depths(theirs)


@pytest.mark.parametrize(
    "name",
    [name for names in FAMILIES.values() for name in names],
)
def test_photographs_are_prepared_as_for_the_published_weights(
    name: str, published: Callable[[str], nn.Module]
) -> None:
    weights = import_torchvision().models.get_model_weights(name)["IMAGENET1K_V1"]
    preset = weights.transforms()
    own = ARCHITECTURES[name].preprocess
    assert own.colour == "RGB"
    assert (own.resize, own.crop) == (preset.resize_size[0], tuple(preset.crop_size * 2))
    assert own.filter == preset.interpolation.value
    assert own.scale == 1 / 255
    # Its weights switch on `transform_input`: ((p - mean) / std) becomes (p - 0.5) / 0.5.
    is_transformed = name == "googlenet"
    assert own.mean == pytest.approx([0.5] * 3 if is_transformed else preset.mean)
    assert own.std == pytest.approx([0.5] * 3 if is_transformed else preset.std)


def test_googlenet_trains_with_the_same_two_auxiliary_classifiers(
    published: Callable[[str], nn.Module],
) -> None:
    inputs = photographs("googlenet")
    own = without_dropout(randomised("googlenet", inputs)).train()
    theirs = without_dropout(with_weights_of(own, published("googlenet"))).train()
    found, expected = own(inputs), theirs(inputs)
    # Both answer (logits, the later auxiliary's, the earlier one's).
    assert len(found) == len(expected) == 3
    for ours, torchvisions in zip(found, expected, strict=True):
        assert relative(ours, torchvisions) <= RELATIVE
    assert_same_statistics(own, theirs)


def test_gradients_through_residual_blocks_and_batch_norms_are_the_same(
    published: Callable[[str], nn.Module],
) -> None:
    inputs = photographs("resnet18")
    own = randomised("resnet18", inputs).train()
    theirs = with_weights_of(own, published("resnet18")).train()
    classes = torch.arange(len(inputs))
    for network in (own, theirs):
        loss = nn.functional.cross_entropy(network(inputs), classes)
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    expected = dict(theirs.named_parameters())
    for name, parameter in own.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0, name
        gradient = expected[name].grad
        assert gradient is not None
        assert relative(parameter.grad, gradient) <= RELATIVE, name
    assert_same_statistics(own, theirs)


def test_every_network_that_both_have_is_compared(published: Callable[[str], nn.Module]) -> None:
    models = import_torchvision().models
    both = set(ARCHITECTURES) & set(models.list_models(module=models))
    assert both == {name for names in FAMILIES.values() for name in names}


def photographs(name: str, count: int = 2) -> torch.Tensor:
    """(count, 3, H, W), as the network reads them, with fewer pixels where it takes any number."""
    arrays = [preprocess(image, ARCHITECTURES[name].preprocess) for image in example_images(count)]
    inputs = torch.cat([torch.from_numpy(array) for array in arrays])
    if name.startswith(SIZED):
        return inputs
    return nn.functional.avg_pool2d(inputs, inputs.shape[-1] // LEAST_SIDE)


def randomised(name: str, inputs: torch.Tensor) -> nn.Module:
    """Our network with nothing in its state dict left at 0 or 1, in evaluation mode.

    He's weights, and statistics near those of `inputs`: with others the signal of many layers dies
    or overflows, and networks that differ would agree.
    """
    torch.manual_seed(0)
    # Its own first weights would be drawn for nothing.
    with torch.device("meta"):
        network = ARCHITECTURES[name].build(classes=1000)
    network.to_empty(device="cpu")
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.normal_(std=0.1)
            else:
                nn.init.kaiming_normal_(parameter)
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
        update_bn([inputs], network)
        for norm in norms:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean += 0.1 * norm.running_var.sqrt() * torch.randn(norm.num_features)
            norm.running_var *= torch.empty(norm.num_features).uniform_(0.5, 1.5)
    return network.eval()


def with_weights_of(own: nn.Module, published: nn.Module) -> nn.Module:
    """`published`, made on the meta device, with a copy of everything in our state dict."""
    published.load_state_dict(copy.deepcopy(own.state_dict()), assign=True)
    return published


def without_dropout(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest expected value."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def assert_same_statistics(own: nn.Module, theirs: nn.Module) -> None:
    expected = dict(theirs.named_buffers())
    for name, buffer in own.named_buffers():
        torch.testing.assert_close(buffer, expected[name], rtol=RELATIVE, atol=1e-7, msg=name)


def batch_norms(network: nn.Module) -> dict[str, tuple[float, float | None]]:
    return {
        name: (module.eps, module.momentum)
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    }


def dropouts(network: nn.Module) -> list[float]:
    return [module.p for module in network.modules() if isinstance(module, nn.Dropout)]


def stochastic_depths(network: nn.Module) -> list[float]:
    """By class name: ours keeps it as `probability`, torchvision as `p`."""
    return [
        float(getattr(module, attribute))
        for module in network.modules()
        if type(module).__name__ == "StochasticDepth"
        for attribute in ("probability", "p")
        if hasattr(module, attribute)
    ]
