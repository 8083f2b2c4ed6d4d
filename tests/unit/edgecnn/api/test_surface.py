"""Names of the Python API, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edgecnn


def test_what_edgecnn_offers_is_what_it_lists() -> None:
    for name in edgecnn.__all__:
        getattr(edgecnn, name)
    listed = {name for names in edgecnn._NAMES.values() for name in names}
    assert listed == set(edgecnn.__all__) <= set(dir(edgecnn))
    public = {
        name
        for name, value in vars(edgecnn).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }
    assert public - {"TYPE_CHECKING"} <= set(edgecnn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edgecnn.nothing  # type: ignore[attr-defined]


def test_errors_have_one_root() -> None:
    errors = [getattr(edgecnn, name) for name in edgecnn.__all__]
    errors = [one for one in errors if isinstance(one, type) and issubclass(one, Exception)]
    assert len(errors) > 10
    assert all(issubclass(one, edgecnn.EdgeCNNError) for one in errors)


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import edgecnn", {"torch", "numpy", "rich", "click", "onnx"}),
        ("import edgecnn; edgecnn.EdgeCNNError", {"torch", "numpy", "rich", "click", "onnx"}),
        ("import edgecnn; edgecnn.open_bundle, edgecnn.export", {"torch", "rich", "onnx"}),
    ],
)
def test_importing_edgecnn_loads_nothing_heavy(code: str, heavy: set[str]) -> None:
    code = f"{code}; import sys; print({heavy!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
