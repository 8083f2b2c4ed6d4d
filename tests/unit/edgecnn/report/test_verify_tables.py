"""Lines below the table of compiled artefacts."""

from __future__ import annotations

from edgecnn.report.verify_tables import compiled_parity_blocks
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.parity.row import Parity


def test_a_prover_is_named_once_and_none_not_at_all() -> None:
    notes = {"none": "another graph", "vendor": "vendor is not here", "vendor 2": "simulated"}
    blocks = compiled_parity_blocks(
        [
            Parity(f"{name}.bin", EngineId(name), "int8", "skipped", None, note)
            if name != "none"
            else Parity("none.bin", None, "int8", "differs", None, note)
            for name, note in notes.items()
        ]
    )
    assert blocks[-3:] == [
        "none.bin: another graph",
        "vendor.bin: vendor is not here",
        "vendor 2.bin: vendor 2: simulated",
    ]
