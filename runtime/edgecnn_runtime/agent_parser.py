"""Command line of the agent: its commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from edgecnn_runtime import __version__
from edgecnn_runtime.budget import MEMORY_BYTES, STEP_SECONDS


def agent_parser(
    description: str | None, commands: Mapping[str, Callable[[argparse.Namespace], None]]
) -> argparse.ArgumentParser:
    """The parser; ``command`` of what it parses is the function of the command.

    Args:
        commands: name → its function.
    """
    parser = argparse.ArgumentParser(prog="python -m edgecnn_runtime", description=description)
    parser.add_argument("--version", action="version", version=__version__)
    added = parser.add_subparsers(required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = added.add_parser(name, help=text, description=text)
        one.set_defaults(command=commands[name])
        return one

    add("host", "print the facts of this machine and its engines")
    cold = add("cold", "open a bundle, run it once, print the time of the result")
    add("bench", "measure the rows of the job on stdin")
    keep = add("keep", "create a folder and remove it when stdin ends")
    keep.add_argument("folder")
    work = add("work", "serve the requests of a bench for one row, on stdin")
    prove = add("prove", "verify one artefact, print output digests")
    prove.add_argument("bundle")
    prove.add_argument("--artefact", required=True, help="path of the artefact in the bundle")
    prove.add_argument("--engine", required=True)
    prove.add_argument("--threads", type=int, default=1)
    prove.add_argument("--count", type=int, default=0, help="runs between marks, for an emulator")
    prove.add_argument("--answers", help="file to write the outputs to, an .npz")
    profile = add("profile", "time every operator of one artefact")
    profile.add_argument("bundle")
    profile.add_argument("--artefact", required=True, help="path of the artefact in the bundle")
    profile.add_argument("--engine", required=True)
    profile.add_argument("--threads", type=int, default=1)
    profile.add_argument("--runs", type=int, default=20)
    verify = add("verify", "verify the golden answers, one row per engine")
    for command in (cold, work, prove):
        command.add_argument("--batch", type=int, help="images a run; of a step of learning, too")
    for command in (cold, work, verify):
        command.add_argument("bundle")
        command.add_argument("--artefact", help="path in the bundle of the only artefact to use")
        command.add_argument("--engine")
        command.add_argument("--precision")
    run = add("run", "classify images, print a line for each")
    run.add_argument("bundle")
    run.add_argument("images", nargs="+")
    run.add_argument("--engine")
    run.add_argument("--precision")
    run.add_argument("--top", type=int, default=5)
    for command in (cold, work, run):
        command.add_argument("--threads", type=int)
    for command in (cold, work, run, prove, profile, verify):
        command.add_argument("--max-memory", type=int, default=MEMORY_BYTES, metavar="BYTES")
        command.add_argument("--max-seconds", type=float, default=STEP_SECONDS)
    return parser
