"""A plug-in engine as a third party ships it: a distribution that registers an entry point.

It opens the double's format with numpy alone, so that any interpreter with numpy runs it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

NAME = "plain"
DISTRIBUTION = "edgecnn-plain"
MODULE = '''
import json

import numpy as np

from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.tensor_spec import TensorSpec


class PlainEngine:
    """Opens the format "fake" with numpy."""

    name = "plain"
    formats = frozenset({"fake"})
    extra = None

    def __init__(self, fields):
        self._fields = fields
        self.inputs, self.outputs = (
            tuple(TensorSpec(name, dtype, tuple(shape)) for name, dtype, shape in fields[key])
            for key in ("inputs", "outputs")
        )

    @classmethod
    def is_installed(cls):
        return True

    @classmethod
    def version(cls):
        return "0.3"

    @classmethod
    def open(cls, model, *, weights=None, threads=None):
        try:
            return cls(json.loads(model))
        except ValueError as error:
            raise EngineError(f"plain refuses the model: {error}") from error

    def run(self, feeds):
        scores = feeds[self.inputs[0].name].mean(axis=(2, 3))
        scores = scores * self._fields["scale"] + self._fields["offset"]
        return {self.outputs[0].name: scores.astype(np.float32)}

    def close(self):
        pass
'''


def install(site: Path, module: str = MODULE) -> Path:
    """The distribution in a folder of packages, as pip leaves it there."""
    info = site / "edgecnn_plain-0.3.dist-info"
    info.mkdir(parents=True)
    (site / "edgecnn_plain.py").write_text(module)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 0.3\n")
    entry = f"[edgecnn.engines]\n{NAME} = edgecnn_plain:PlainEngine\n"
    (info / "entry_points.txt").write_text(entry)
    return site


def put_on_path(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process and those that it starts find what is installed in `site`."""
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(site), inherited))))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "edgecnn_plain", raising=False)
