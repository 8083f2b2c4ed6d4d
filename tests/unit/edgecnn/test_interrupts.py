"""Ctrl-C at any moment of a command, sent by the process to itself so that the moment is known."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgecnn.exit_codes import INTERRUPTED
from edgecnn.interrupts import WORDS

SAID = f"edgecnn: {WORDS}"

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
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )


def test_an_interrupt_in_a_callback_is_heard_and_prints_no_traceback() -> None:
    ran = run("repeat_ignored_interrupts()", 30)
    assert (ran.stdout, ran.stderr) == ("heard\n", "")


def test_python_alone_loses_it() -> None:
    ran = run("", 0.3)
    assert ran.stdout == ""
    assert "KeyboardInterrupt" in ran.stderr


# Sends the interrupt when the module is looked for, and runs the program as `python -m edgecnn`.
AT_IMPORT = """
import os, runpy, signal, sys

class Interrupting:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(Interrupting)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
sys.argv = ["edgecnn", *{arguments!r}]
runpy.run_module("edgecnn", run_name="__main__", alter_sys=True)
"""


def program(script: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=20
    )
    return ran.returncode, " ".join(ran.stderr.split())


@pytest.mark.parametrize("module", ["edgecnn.cli", "click", "edgecnn_runtime.errors"])
def test_before_the_command_line_is_there_it_ends_in_silence(module: str) -> None:
    script = AT_IMPORT.format(module=module, arguments=["zoo"])
    assert program(script) == (INTERRUPTED, "")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("edgecnn.commands.zoo", ["zoo"]),
        ("edgecnn.table_text", ["zoo"]),
        ("numpy", ["run", "none.edge", "none.png"]),
        ("torch", ["export", "lenet5", "--weights", "random"]),
    ],
)
def test_while_a_command_imports_what_it_needs_it_ends_with_a_line(
    module: str, arguments: list[str]
) -> None:
    assert program(AT_IMPORT.format(module=module, arguments=arguments)) == (INTERRUPTED, SAID)


# A command that is interrupted by itself: at once, within an import, or as it ends.
IN_COMMAND = """
import os, signal, sys, types
import click
from edgecnn.cli import cli, main

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Loader:
    @staticmethod
    def find_spec(name, path=None, target=None):
        import importlib.machinery
        if name == "swallowing":
            return importlib.machinery.ModuleSpec(name, Loader)
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        try:
            interrupt()
            for _ in range({steps}):
                pass
        except BaseException:  # as a package does that treats a module as missing
            print("swallowed", file=sys.stderr)

sys.meta_path.insert(0, Loader)

def work():
    try:
        {work}
    finally:
        print("tidied up", file=sys.stderr)

# Of a module that is no entrance: it may have something to tidy up.
work = types.FunctionType(work.__code__, dict(globals(), __name__="edgecnn.work"))
command = click.Command("work", callback=work)
cli.get_command = lambda context, name: command
main(["work"])
"""


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("interrupt(); import time; time.sleep(30)", f"tidied up {SAID}"),
        ("import swallowing; import time; time.sleep(30)", f"tidied up {SAID}"),
        ("import swallowing", f"tidied up {SAID}"),
    ],
    ids=["at work", "in an import", "in an import at its end"],
)
def test_a_command_at_work_tidies_up_first(work: str, said: str) -> None:
    assert program(IN_COMMAND.format(work=work, steps=1000)) == (INTERRUPTED, said)


def test_a_second_one_does_not_wait_for_an_import() -> None:
    work = "import swallowing; import time; time.sleep(30)"
    script = IN_COMMAND.format(work=work, steps=1000).replace(
        "            interrupt()\n", "            interrupt()\n            interrupt()\n"
    )
    code, said = program(script.replace("time.sleep(30)", "pass"))
    assert (code, said.split()[0]) == (0, "swallowed")


def test_what_comes_after_the_work_does_not_end_in_a_traceback() -> None:
    script = IN_COMMAND.format(work="pass", steps=0)
    script = f"import atexit\natexit.register(lambda: interrupt() or sum(range(10**6)))\n{script}"
    code, said = program(script)
    assert code == INTERRUPTED
    assert "Traceback" not in said


# A terminal sends an interrupt to all processes of its group.
GROUP = """
import os, signal, subprocess, sys
from edgecnn.interrupts import interrupts_held
os.setsid()
child = [sys.executable, "-c", "import sys; print('up', flush=True); sys.exit(sys.stdin.read())"]
with interrupts_held():
    worker = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    os.killpg(0, signal.SIGINT)
    print(worker.stdout.readline().strip(), flush=True)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    except KeyboardInterrupt:
        print("heard", flush=True)
worker.communicate("7")
print(worker.returncode)
"""


def test_a_process_that_is_begun_meanwhile_never_hears_of_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", GROUP], capture_output=True, text=True, check=False, timeout=20
    )
    assert (ran.stdout.split(), ran.stderr) == (["up", "heard", "1"], "7\n")
