from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import time, weakref
from edgecnn.interrupts import repeat_ignored_interrupts

class Owner: pass

def callback(_):
    raise KeyboardInterrupt

{install}
owner = Owner()
reference = weakref.ref(owner, callback)
del owner
try:
    time.sleep({seconds})
except KeyboardInterrupt:
    print("heard")
"""


def run(install: str, seconds: float) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.format(install=install, seconds=seconds)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )


def test_an_interrupt_in_a_callback_is_heard_and_prints_no_traceback() -> None:
    ran = run("repeat_ignored_interrupts()", 30)
    assert (ran.stdout, ran.stderr) == ("heard\n", "")


def test_python_alone_loses_it() -> None:
    ran = run("", 0.3)
    assert ran.stdout == ""
    assert "KeyboardInterrupt" in ran.stderr
