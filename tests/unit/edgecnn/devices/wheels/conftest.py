from __future__ import annotations

from pathlib import Path

import pytest
from unit.edgecnn.devices.wheels.own_index import Index


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    return Index(tmp_path / "index", monkeypatch)
