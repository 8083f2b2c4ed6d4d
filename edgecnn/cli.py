"""The command line. Each command is one file in `edgecnn.commands`; this one only dispatches."""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import click

from edgecnn.console import complain, echo
from edgecnn.errors import StdoutClosed
from edgecnn.exit_codes import FAILED, INTERRUPTED, LIMIT_MISSED, OK, PIPE_CLOSED
from edgecnn.interrupts import WORDS, end_at_interrupts, raise_interrupts
from edgecnn.machine_faults import machine_fault
from edgecnn.streams import open_streams
from edgecnn_exporters.errors import LimitMissed
from edgecnn_runtime import __version__
from edgecnn_runtime.errors import EdgeCNNError

# What the extra `export` brings; a device has none of it.
EXPORT_PACKAGES = frozenset({"torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime"}) | {
    "safetensors",
    "PIL",
}
COMMANDS = (
    *("zoo", "train", "export", "compile", "verify", "evaluate", "bench", "run", "devices"),
    *("bundle", "doctor"),
)


class Commands(click.Group):
    """The commands by name, in the order of the work; each is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"edgecnn.commands.{name}").command
        return command if isinstance(command, click.Command) else None


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecnn")
def cli() -> None:
    """Turn a trained CNN into one file that an edge device runs, and prove it there.

    \b
    Quantise once. Deploy everywhere. Prove it on the device.

    \b
    Begin with:
      edgecnn export mobilenet_v2
      edgecnn run mobilenet_v2.edge photograph.jpg
      edgecnn bench mobilenet_v2.edge
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; `edgecnn.exit_codes` is the table."""
    open_streams()
    # Pillow's, of an image that `load_image` then refuses in one line.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    sys.exit(code)


def _run(typed: list[str]) -> int:
    """The exit code of the command that was typed; errors are told in one line on stderr."""
    try:
        interrupts = raise_interrupts()
        try:
            Path.cwd()  # where it was removed, PyTorch's oneMKL ends the process without a reason
            # A command that records how it was called finds the words as the context's object.
            code = cli.main(typed, prog_name="edgecnn", standalone_mode=False, obj=typed)
            sys.stdout.flush()
            interrupts.check()
        finally:
            end_at_interrupts()
    except click.ClickException as error:
        text = io.StringIO()  # it quotes what was typed
        error.show(text)
        echo(text.getvalue().removesuffix("\n"), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail(WORDS, INTERRUPTED)
    except StdoutClosed:
        return PIPE_CLOSED
    except EdgeCNNError as error:
        return _fail(error, LIMIT_MISSED if isinstance(error, LimitMissed) else FAILED)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in EXPORT_PACKAGES:
            raise
        return _fail(
            f"{missing} is not installed, which this needs; "
            "pip install 'edgecnn[export]'; edgecnn doctor shows what else is missing"
        )
    except (OSError, MemoryError) as error:
        if (fault := machine_fault(error)) is None:
            raise
        return _fail(fault)
    return code if isinstance(code, int) else OK


def _fail(reason: object, code: int = FAILED) -> int:
    """Print the reason as one line on stderr; returns the exit code."""
    complain(reason)
    return code
