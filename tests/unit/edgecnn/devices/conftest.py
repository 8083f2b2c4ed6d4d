"""Fixtures: an empty device configuration, apart from the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the user's devices, which is not there yet."""
    folder = tmp_path / "config"
    monkeypatch.setenv("EDGECNN_CONFIG", str(folder))
    return folder / "devices.toml"
