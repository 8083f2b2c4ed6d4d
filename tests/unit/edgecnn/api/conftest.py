"""A network in memory and its bundle, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from shared import once
from torch.utils.data import DataLoader, TensorDataset
from unit.edgecnn.api.small_network import LABELS, UNIT, SmallNet, inputs

import edgecnn


def _export(folder: Path) -> edgecnn.Bundle:
    return edgecnn.export(
        SmallNet(),
        inputs(2),
        folder / "colours.edge",
        labels=LABELS,
        preprocess=UNIT,
        quantize="int8",
        calibrate=DataLoader(TensorDataset(inputs(), torch.zeros(48)), batch_size=8),
        measure=False,
    )


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> edgecnn.Bundle:
    """A bundle of a small network, with int8 from a loader."""
    path = once(tmp_path_factory, "api-bundle", lambda folder: _export(folder).path)
    return edgecnn.open_bundle(path)
