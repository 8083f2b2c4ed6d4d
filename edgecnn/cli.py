"""The command line. Each command is one file in `edgecnn.commands`; this one only dispatches."""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from collections.abc import Sequence

import click

from edgecnn.console import complain, echo
from edgecnn.exit_codes import FAILED, INTERRUPTED, LIMIT_MISSED
from edgecnn.interrupts import repeat_ignored_interrupts
from edgecnn_exporters.errors import LimitMissed
from edgecnn_runtime import __version__
from edgecnn_runtime.errors import EdgeCNNError

# What the extra `export` brings; a device has none of it.
EXPORT_PACKAGES = frozenset({"torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime"}) | {
    "safetensors",
    "PIL",
}
COMMANDS = ("zoo", "train", "export", "verify", "evaluate", "bench", "run", "devices", "doctor")


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
    typed = list(sys.argv[1:] if arguments is None else arguments)
    repeat_ignored_interrupts()
    # Pillow's, of an image that `load_image` then refuses in one line.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    try:
        # A command that records how it was called finds the words as the context's object.
        code = cli.main(arguments, prog_name="edgecnn", standalone_mode=False, obj=typed)
    except click.ClickException as error:
        text = io.StringIO()  # it quotes what was typed
        error.show(text)
        echo(text.getvalue().removesuffix("\n"), err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted; nothing was left half written")
        sys.exit(INTERRUPTED)
    except EdgeCNNError as error:
        complain(error)
        sys.exit(LIMIT_MISSED if isinstance(error, LimitMissed) else FAILED)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in EXPORT_PACKAGES:
            raise
        complain(
            f"{missing} is not installed, which this needs; "
            "pip install 'edgecnn[export]'; edgecnn doctor shows what else is missing"
        )
        sys.exit(FAILED)
    except MemoryError as error:
        complain(f"this needs more memory than there is: {error or 'out of memory'}")
        sys.exit(FAILED)
    sys.exit(code if isinstance(code, int) else 0)
