"""The static agent, a program that measures plans on a board without a Python: one a processor.

python native/agents.py [-o build/native] [MACHINE …]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from compile import LIBRARIES, ROOT, CompilerFailed, compile_program
from platforms import AGENTS


def build_agent(machine: str, folder: Path) -> Path:
    """The program for a machine in `folder`, named after it.

    Raises:
        CompilerFailed: there is no zig, or it refuses the sources.
    """
    program = folder / f"edgecnn-agent-{machine}"
    files = sorted((ROOT / "agent").glob("*.c"))
    compile_program(AGENTS[machine], files, program, [ROOT / "agent"])
    return program


def main() -> int:
    """Build them one after another; 1 where one cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=LIBRARIES)
    names = ", ".join(AGENTS)
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=names)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.machines if name not in AGENTS]:
        parser.error(f"there is no machine {unknown[0]}; there are {names}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for machine in arguments.machines or AGENTS:
        begin = time.monotonic()
        try:
            program = build_agent(machine, arguments.output)
        except CompilerFailed as error:
            print(error, file=sys.stderr)
            return 1
        seconds, size = time.monotonic() - begin, program.stat().st_size
        print(f"{machine:<8} {seconds:5.0f} s {size / 1000:6.0f} kB  {program.name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
