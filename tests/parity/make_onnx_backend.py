"""Write the list of ONNX's backend tests that the TFLite target passes: run after mending one."""

from __future__ import annotations

import json
import sys

from onnx_backend import BROKEN, LIST, listed, run_all


def main() -> None:
    outcomes = run_all()
    broken = {name: said for name, said in outcomes.items() if said.startswith(BROKEN)}
    if broken:
        for name, said in broken.items():
            print(f"{name}: {said}", file=sys.stderr)
        sys.exit("mend these, or refuse them in the writer with a reason; nothing is written")
    found = listed(outcomes)
    LIST.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{LIST}: {len(found['passed'])} of {len(outcomes)} pass")


if __name__ == "__main__":
    main()
