"""A fork server for the `edgecnn` command, or for pip: commands start without their imports.

Run as a program, it reads requests from stdin, one line of JSON each, and answers each with the
exit code. Every command has a process of its own with its own folder, environment, stdout and
stderr, so that only the imports are shared. What the imports of a fresh process decide is tested
with a fresh process: which modules a command loads, and that the order of sets, another one in
each process, changes no byte of a bundle.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# None of them starts a thread that a command needs: a fork has the thread that forked alone.
PRELOADED = (
    "torch._dynamo",
    "torch._export",
    "torch._functorch.aot_autograd",
    "torch._inductor.config",
    "torch.onnx._internal.exporter._core",
    "onnx.reference",
    "onnxruntime",
    "onnxscript.function_libs.torch_lib.ops",
    "onnxscript.rewriter.onnx_fusions",
    "edgecnn.cli",
    "edgecnn.exporting.run",
    "edgecnn_exporters.export",
    *(f"edgecnn.commands.{name}" for name in ("zoo", "export", "verify", "evaluate", "bench")),
)
PIP = "pip._internal.cli.main", "pip._internal.commands.install", "pip._internal.commands.download"
# Program → what it imports beforehand, and the module with its `main`.
PROGRAMS = {"edgecnn": (PRELOADED, "edgecnn.cli"), "pip": (PIP, PIP[0])}
# A command that takes longer hangs; none of those that are tested takes a tenth of it.
LIMIT_S = 900


class ForkServer:
    """The server, and what is asked of it, by one thread at a time."""

    def __init__(self, program: str = "edgecnn") -> None:
        command = [sys.executable, __file__, program]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        program: str,
        arguments: list[str],
        folder: Path,
        environment: Mapping[str, str],
        stdout: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `program` with `arguments` in `folder`, as `subprocess.run` with its output kept.

        Args:
            stdout: the file that its stdout goes to, such as a device; it is not read then.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as outputs:
            paths = [Path(outputs, name) for name in ("stdout", "stderr")]
            if stdout is not None:
                paths[0] = Path(stdout)
            request = {
                "argv": [program, *arguments],
                "folder": str(folder),
                "environment": dict(environment),
                "outputs": [str(path) for path in paths],
            }
            self._process.stdin.write(f"{json.dumps(request)}\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            encoding = environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
            said, stderr = ("" if stdout == str(p) else p.read_text(encoding) for p in paths)
        return subprocess.CompletedProcess(request["argv"], code, said, stderr)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def serve(program: str) -> None:
    preloaded, module = PROGRAMS[program]
    for name in preloaded:
        importlib.import_module(name)
    # Python 3.12 warns of each fork beside threads of OpenBLAS, which are not there afterwards.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line), importlib.import_module(module).main)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(request: dict[str, Any], main: Callable[[], int | None]) -> None:
    """Run the command of the request in this process, and end with its exit code."""
    signal.alarm(LIMIT_S)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # what TMPDIR says now
    sys.argv = request["argv"]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    # The server's own first is the folder of this file; a program's is that of the program.
    sys.path[:1] = [
        str(Path(sys.argv[0]).parent),
        *(path for path in paths if path not in sys.path),
    ]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(request["outputs"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    # What an interpreter does at its beginning.
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    if encoding:
        sys.stdout.reconfigure(encoding=encoding, errors=errors or "strict")  # type: ignore[union-attr]
        sys.stderr.reconfigure(encoding=encoding, errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code: Any = main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # What an interpreter does at its end, but for libraries that wait for threads of the server.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
