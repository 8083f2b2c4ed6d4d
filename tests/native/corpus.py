"""Seeds of the fuzzer: ``python tests/native/corpus.py`` writes them to native/fuzz/corpus."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "native/fuzz/corpus"


def seeds() -> dict[str, bytes]:
    """File name → plan: three small ones of every kind, and a network of LeNet-5's shape."""
    from native.cases import all_cases, lenet
    from native.rows_in_order import chains_in_order

    cases = [*all_cases(3, batch=1, scale=4), lenet(), *chains_in_order(3, batch=1, scale=4)]
    return {f"{case.name}.plan": case.plan for case in cases}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    FOLDER.mkdir(exist_ok=True)
    for name, plan in seeds().items():
        (FOLDER / name).write_bytes(plan)
