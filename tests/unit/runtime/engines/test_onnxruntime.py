from __future__ import annotations

import pytest

from edgecnn_runtime.engines import onnxruntime as engine
from edgecnn_runtime.engines.onnxruntime import session_options

EXACT = "session.x64quantprecision"


@pytest.mark.parametrize(
    ("features", "is_asked"),
    [
        (("avx2",), True),
        ((), True),
        (("avx2", "avx512f", "avx512_vnni"), False),
        (("avx2", "avx_vnni"), False),
    ],
)
def test_exact_sums_are_asked_for_where_the_processor_does_not_add_in_32_bits(
    features: tuple[str, ...], is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With VNNI they are exact, and the option only costs time."""
    monkeypatch.setattr(engine, "cpu_features", lambda: features)
    options = session_options()
    if is_asked:
        assert options.get_session_config_entry(EXACT) == "1"
    else:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry(EXACT)
