"""The command line. Each command is one file in `edgecnn.commands`; this one only dispatches."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from edgecnn.command_group import NearestGroup
from edgecnn.console import complain, echo, print_json
from edgecnn.documents.error import SCHEMA, ErrorDocument
from edgecnn.errors import OptionsRefused, PackageMissing, StdoutClosed, StdoutFailed
from edgecnn.exit_codes import FAILED, INTERRUPTED, LIMIT_MISSED, OK, PIPE_CLOSED, USAGE
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
# Short help of each command, in the order of the work: the list of them imports no command.
COMMANDS = {
    "zoo": "List the networks, describe one, or compare several.",
    "train": "Train a network, to a checkpoint that exports.",
    "export": "Turn a network into a verified bundle.",
    "compile": "Compile for NPUs, microcontrollers, the browser.",
    "verify": "Check a bundle's digests and verify its answers.",
    "evaluate": "Measure the accuracy of a bundle on labelled images.",
    "bench": "Measure a bundle on a device, or on several.",
    "learn": "Learn from labelled images, into a new bundle.",
    "run": "Classify images, as an app would.",
    "bundle": "Show, extract or strip a bundle.",
    "devices": "List, add and remove boards.",
    "doctor": "Show what works here, and how to fix the rest.",
}


class Commands(NearestGroup):
    """The commands by name; each is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"edgecnn.commands.{name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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
    """The exit code of the command that was typed; an error is one line on stderr.

    With ``--json`` it is a document on stdout too: the place where a program looks for the result.
    """
    options = typed[: typed.index("--")] if "--" in typed else typed
    try:
        return _call(typed)
    except (click.Abort, KeyboardInterrupt):
        complain(WORDS)
        return INTERRUPTED
    except StdoutClosed:
        return PIPE_CLOSED
    except (click.ClickException, EdgeCNNError, ImportError, OSError, MemoryError) as error:
        failure = _failure(error)
        if failure is None:
            raise
        if isinstance(error, click.ClickException):
            text = io.StringIO()  # it quotes what was typed
            error.show(text)
            echo(text.getvalue().removesuffix("\n"), err=True)
        else:
            complain(failure.message)
        if "--json" in options and not isinstance(error, StdoutFailed):
            # Where the disk is full, stdout may be a file on it.
            with contextlib.suppress(StdoutFailed):
                print_json(SCHEMA, asdict(failure))
        return failure.exit_code


def _call(typed: list[str]) -> int:
    """Call the command; what it raises goes on to the caller."""
    interrupts = raise_interrupts()
    try:
        Path.cwd()  # where it was removed, PyTorch's oneMKL ends the process without a reason
        # A command that records how it was called finds the words as the context's object.
        code = cli.main(typed, prog_name="edgecnn", standalone_mode=False, obj=typed)
        sys.stdout.flush()
        interrupts.check()
    finally:
        end_at_interrupts()
    return code if isinstance(code, int) else OK


def _failure(error: Exception) -> ErrorDocument | None:
    """The error as a document; None for a bug, which is a traceback."""
    if isinstance(error, click.ClickException):
        return ErrorDocument("UsageError", error.format_message(), error.exit_code)
    if isinstance(error, EdgeCNNError):
        return ErrorDocument(type(error).__name__, str(error), _exit_code(error))
    if isinstance(error, ModuleNotFoundError):
        from edgecnn_runtime.install_hint import install_hint

        missing = str(error.name).partition(".")[0]
        message = (
            f"{missing} is not installed, which this needs; "
            f"{install_hint('export')}; edgecnn doctor shows what else is missing"
        )
        is_expected = missing in EXPORT_PACKAGES
        return ErrorDocument(PackageMissing.__name__, message, FAILED) if is_expected else None
    if isinstance(error, OSError | MemoryError) and (fault := machine_fault(error)) is not None:
        return ErrorDocument(type(error).__name__, str(fault), FAILED)
    return None


def _exit_code(error: EdgeCNNError) -> int:
    if isinstance(error, LimitMissed):
        return LIMIT_MISSED
    return USAGE if isinstance(error, OptionsRefused) else FAILED
