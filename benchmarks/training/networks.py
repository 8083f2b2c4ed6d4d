"""Zoo networks at 32×32 in thin forms, alive though their weights are of chance; graphs of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir
import torch
from torch import nn

from edgecnn.model.settle import settle
from edgecnn.zoo import ARCHITECTURES, Form
from edgecnn_exporters.capture.examples import example_batch
from edgecnn_exporters.capture.prepare import prepare
from edgecnn_exporters.capture.pytorch_exporters import EXPORTERS, quiet
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import job_of
from edgecnn_exporters.passes import canonicalise_for_training
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

CLASSES, SIDE = 10, 32
# Of the deepest ones, whose capture alone would take an hour.
DEPTHS = {"resnet1202": 0.05, "efficientnet_b6": 0.5, "efficientnet_b7": 0.5}


@dataclass(frozen=True)
class Small:
    """A network for small images.

    Attributes:
        module: in evaluation mode.
        shape: (channels, height, width) of its input.
    """

    name: str
    module: nn.Module
    shape: tuple[int, int, int]
    preprocess: Preprocess

    def examples(self, count: int) -> Float32:
        """Photographs, (count, channels, height, width)."""
        spec = TensorSpec("input", "float32", (None, *self.shape))
        return example_batch(spec, self.preprocess, count)

    def graph(self, exporter: str = "dynamo") -> ir.Model:
        """The canonical graph for training, of any batch.

        Args:
            exporter: PyTorch's, of `EXPORTERS`; "torchscript" takes a tenth of the time.
        """
        photographs = self.examples(3)
        reference = run_module(self.module, [photographs[:2], photographs])
        job = replace(job_of(self.module, reference, None, 18), keeps_parameters=True)
        with quiet():
            model = EXPORTERS[exporter](job)
        canonicalise_for_training(model)
        return model


def small(name: str, width: float | None = None) -> Small:
    """A zoo network with 10 classes for images of 32×32 (LeNet-5: 28×28).

    Args:
        width: of its form, where it takes one.
    """
    architecture = ARCHITECTURES[name]
    is_small = architecture.input[1] <= SIDE
    form = Form(
        classes=CLASSES,
        depth=DEPTHS.get(name),
        width=width if "width" in architecture.options else None,
        stem=None if is_small else "small",
    )
    torch.manual_seed(0)
    module = architecture.build(**form.given())  # type: ignore[arg-type] # of the form's own types
    shape = architecture.input if is_small else (3, SIDE, SIDE)
    size = (shape[1], shape[2])
    preprocess = replace(architecture.preprocess, resize=size, crop=None)
    settle(module, shape, preprocess)
    return Small(name, prepare(module).module, shape, preprocess)
