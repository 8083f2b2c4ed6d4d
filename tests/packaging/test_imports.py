"""What importing costs and needs."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import edgecnn
import edgecnn_exporters
import edgecnn_runtime
from edgecnn.cli import COMMANDS, cli

# Makes the named packages unimportable, as they are on a device.
BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
WORKSTATION = {"torch", "onnx", "onnx_ir", "onnxscript", "click", "rich", "platformdirs"} | {
    "safetensors",
    "edgecnn",
    "edgecnn_exporters",
}


def modules(package: object) -> list[str]:
    return [
        module.name
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")  # type: ignore[attr-defined]
        if not module.name.endswith("__main__")
    ]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_the_runtime_imports_with_numpy_alone() -> None:
    blocked = WORKSTATION | {"onnxruntime", "PIL"}
    imports = "\n".join(f"import {name}" for name in modules(edgecnn_runtime))
    ran = python(BLOCK.format(blocked=blocked) + imports)
    assert ran.returncode == 0, ran.stderr


def test_the_runtime_runs_a_model_without_the_workstation(onnx_bundle) -> None:  # type: ignore[no-untyped-def]
    run = f"""
import numpy as np
import edgecnn_runtime as edge
with edge.open({str(onnx_bundle)!r}) as model:
    print(model.classify(np.full((9, 7, 3), (9, 200, 7), np.uint8))[0].label)
"""
    ran = python(BLOCK.format(blocked=WORKSTATION | {"PIL"}) + run)
    assert ran.stdout == "green\n", ran.stderr


# What Windows' Python lacks of the modules and functions that the runtime may use elsewhere.
WINDOWS = """
import os, signal
lacking = {
    os: "fork killpg setsid getpgid pread sched_getaffinity O_NOFOLLOW O_NONBLOCK WNOHANG sysconf",
    signal: "SIGALRM setitimer ITIMER_REAL SIGKILL SIGHUP pthread_sigmask SIGPIPE SIGCHLD",
}
for module, names in lacking.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


def test_the_runtime_runs_a_model_without_what_windows_lacks(onnx_bundle: Path) -> None:
    run = f"""
import numpy as np
import edgecnn_runtime as edge
with edge.open({str(onnx_bundle)!r}) as model:
    print(model.classify(np.full((9, 7, 3), (9, 200, 7), np.uint8))[0].label)
"""
    blocked = {"fcntl", "resource", "pwd", "grp", "termios"}
    ran = python(BLOCK.format(blocked=blocked) + WINDOWS + run)
    assert ran.stdout == "green\n", ran.stderr


def test_a_missing_engine_is_named_with_the_command_that_installs_it(onnx_bundle) -> None:  # type: ignore[no-untyped-def]
    run = f"""
import edgecnn_runtime as edge
try:
    edge.open({str(onnx_bundle)!r})
except edge.EngineUnavailable as error:
    print(error)
"""
    ran = python(BLOCK.format(blocked={"onnxruntime"}) + run)
    assert "pip install 'edgecnn[onnxruntime]'" in ran.stdout, ran.stderr


# Each in a process that has none of our modules, but what they are made of: that takes seconds.
ALONE = """
import os, traceback, warnings
import click, onnx, onnxruntime, onnxscript, rich.console, torch
warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
for name in {names!r}:
    if not (child := os.fork()):
        try:
            __import__(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        print(name)
"""


@pytest.mark.matrix
@pytest.mark.parametrize("package", [edgecnn, edgecnn_exporters], ids=lambda p: p.__name__)
def test_every_module_imports_alone(package: object) -> None:
    ran = python(ALONE.format(names=modules(package)))
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_help_needs_nothing_heavy() -> None:
    heavy = {"torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "PIL", "safetensors"}
    code = "from edgecnn.cli import main; main(['--help'])"
    ran = python(BLOCK.format(blocked=heavy) + code)
    assert ran.returncode == 0, ran.stderr
    assert "export" in ran.stdout


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = """
import sys
from edgecnn.cli import COMMANDS, cli
try:
    cli.main(["--help"])
finally:
    modules = {f"edgecnn.commands.{name}" for name in COMMANDS}
    sys.stderr.write(" ".join(sys.modules.keys() & modules))
"""
    ran = python(code)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_of_the_list_is_that_of_the_command(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.get_short_help_str(limit=80) == COMMANDS[name]


def test_what_only_waits_and_counts_needs_no_numpy() -> None:
    names = ("measure.benchmark", "host.run_folder", "engines.engine_id", "__main__")
    imports = "\n".join(f"import edgecnn_runtime.{name}" for name in names)
    ran = python(BLOCK.format(blocked={"numpy"}) + imports)
    assert ran.returncode == 0, ran.stderr


def test_what_the_runtime_offers_is_what_it_lists() -> None:
    for name in edgecnn_runtime.__all__:
        assert getattr(edgecnn_runtime, name).__module__.startswith("edgecnn_runtime.")
    public = {
        name
        for name, value in vars(edgecnn_runtime).items()
        if not name.startswith("_") and not isinstance(value, type(sys)) and name != "annotations"
    }
    assert public - {"TYPE_CHECKING"} == set(edgecnn_runtime.__all__) <= set(dir(edgecnn_runtime))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edgecnn_runtime.nothing  # type: ignore[attr-defined]
