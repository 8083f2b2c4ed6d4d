"""Coverage-guided fuzzing of everything that reads a stranger's bytes.

    pip install --target FOLDER atheris      # and append FOLDER to PYTHONPATH
    python -m hostile.fuzz TARGET --seconds 300 [--corpus FOLDER]

Run in `tests/`. What is found new goes to the corpus; `test_fuzz_corpus.py` runs the small one that
is kept in `corpus/` without atheris (Apache-2.0), which no test needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edgecnn_runtime"]):
    from hostile.fuzz_targets import LARGEST, TARGETS, run_one, seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--corpus", type=Path, help="default: a temporary folder")
    options = parser.parse_args()
    folder = options.corpus or Path(tempfile.mkdtemp(prefix="edgecnn-corpus-"))
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds()[options.target]):
        (folder / f"seed{number}").write_bytes(content)
    arguments = [
        sys.argv[0],
        str(folder),
        f"-max_total_time={options.seconds}",
        *(f"-max_len={LARGEST}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"),
    ]
    atheris.Setup(arguments, lambda content: run_one(options.target, content))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
