"""Train the shipped checkpoints again, and write the table of them.

Usage: python weights/train.py [NAME-DATA …]   train those that are not there, or those named
       python weights/train.py --table         only write the table of docs/checkpoints.md
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from edgecnn.model.description import Description, read_description
from edgecnn.model.resolve import resolve
from edgecnn.train.checkpoints import WEIGHTS
from edgecnn_runtime.parity.proportion import wilson_interval

HERE = Path(__file__).parent
SHIPPED = HERE / "edgecnn_weights"
RUNS = HERE / "runs"
PAGE = HERE.parent / "docs" / "checkpoints.md"
BEGIN, END = "<!-- table: python weights/train.py --table -->", "<!-- end of table -->"


def main(names: list[str]) -> None:
    """Train what is missing or named, then write the table."""
    for command in commands():
        name = name_of(command)
        if name in names or not (names or (SHIPPED / f"{name}.safetensors").exists()):
            train(command)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}{END}{after}", encoding="utf-8")


def commands() -> list[list[str]]:
    """Arguments of ``edgecnn train`` for each checkpoint, in order."""
    document = tomllib.loads((HERE / "checkpoints.toml").read_text(encoding="utf-8"))
    return [shlex.split(entry["command"]) for entry in document["checkpoint"]]


def name_of(command: list[str]) -> str:
    """The file's name: the network's and the data's."""
    return f"{command[0]}-{command[command.index('--data') + 1]}"


def train(command: list[str]) -> None:
    """Train one, or resume it; its weights are then those shipped."""
    folder = RUNS / name_of(command)
    edgecnn = [sys.executable, "-m", "edgecnn", "train", *command]
    subprocess.run([*edgecnn, "--output", str(folder), "--resume"], check=True)
    shutil.copyfile(folder / WEIGHTS, SHIPPED / f"{name_of(command)}.safetensors")


def table() -> str:
    """The checkpoints that there are, as Markdown."""
    lines = [
        "| network | data | parameters | test accuracy | 95 % interval | epochs | command |",
        "|---|---|---:|---:|---|---:|---|",
    ]
    for command in commands():
        path = SHIPPED / f"{name_of(command)}.safetensors"
        if path.exists() and (description := read_description(path)):
            lines.append(row(command, description))
    return "\n".join(lines) + "\n"


def row(command: list[str], description: Description) -> str:
    """One line of the table."""
    from edgecnn.model.describe import describe

    test = description.training["test"]
    right, images = test["right"], test["images"]
    low, high = wilson_interval(right, images)
    network = describe(resolve(description.architecture), description.form, description.input)
    return (
        f"| {description.architecture} | {description.data} | {network.summary.parameters:,} "
        f"| {right / images:.2%} | {low:.2%} – {high:.2%} | {description.training['epoch']} "
        f"| `edgecnn train {shlex.join(command)}` |"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
