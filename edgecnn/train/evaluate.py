"""Test loss and accuracy of a network during training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgecnn.train.augment import Augmenter
from edgecnn.train.dataset import Split
from edgecnn.train.distributed import ProcessGroup

TEST_BATCH = 500


def evaluate(
    network: nn.Module, split: Split, augmenter: Augmenter, processes: ProcessGroup
) -> tuple[float, int]:
    """Mean loss and number of correct images, the same on all processes.

    The network is left in evaluation mode. Processes take batches in turn, so that every image is
    counted once, whatever their number.
    """
    network.eval()
    device = next(network.parameters()).device
    loss, right = 0.0, 0
    with torch.inference_mode():
        for begin in range(processes.rank * TEST_BATCH, len(split), processes.size * TEST_BATCH):
            indices = np.arange(begin, min(begin + TEST_BATCH, len(split)))
            x = augmenter(split.images.read(indices), None).to(device)
            target = torch.from_numpy(split.labels[indices]).to(device)
            logits = network(x)
            loss += float(nn.functional.cross_entropy(logits, target, reduction="sum"))
            right += int((logits.argmax(1) == target).sum())
    total_loss, total_right = processes.total(loss, right)
    return total_loss / len(split), int(total_right)
