"""Seeds of the fuzzer: ``python tests/native/corpus.py`` writes them to native/fuzz/corpus."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "native/fuzz/corpus"


def seeds() -> dict[str, bytes]:
    """File name → plan: three small ones of every kind, LeNet-5's shape, what overlaps itself."""
    from native.cases import all_cases, lenet
    from native.overlaps import overlaps
    from native.rows_in_order import chains_in_order

    cases = [*all_cases(3, batch=1, scale=4), lenet(), *chains_in_order(3, batch=1, scale=4)]
    plans = {case.name: case.plan for case in cases} | overlaps()
    return {f"{name}.plan": plan for name, plan in plans.items()}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    FOLDER.mkdir(exist_ok=True)
    for name, plan in seeds().items():
        (FOLDER / name).write_bytes(plan)
