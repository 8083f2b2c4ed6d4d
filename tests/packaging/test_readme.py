"""README's blocks run as they are printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processor import OPENVINO_WEIGHT_BITS
from unit.exporters.targets.npu.ethos_u.support import TOSA_PYTHON

from edgecnn_exporters.targets.mcu.interpreter import TFLM
from edgecnn_exporters.targets.npu.ethos_u.toolchains import REFERENCE_MODEL, VELA

HAS_TOOLCHAINS = TOSA_PYTHON.exists() and None not in (VELA.version(), TFLM.version())
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)

# What differs from machine to machine: numbers, the processor's name, and what is faster there.
VERDICT = re.compile(r"FASTER \S+ ✓|SLOWER \S+|NO DIFFERENCE|TAINTED")
TAKEN = re.compile(r"^(edge.open takes model\.int#\.plan with native:) .*")
NUMBER = re.compile(r"\d+(\.\d+)?(e[-+]\d+)?")


def normal(output: str) -> list[str]:
    """Lines of the output without what differs, those that continue one joined to it."""
    output = VERDICT.sub("VERDICT", re.sub(r"\n +", " ", output))
    lines = [" ".join(NUMBER.sub("#", line).split()) for line in output.splitlines()]
    return [
        re.sub(r"^host: .*", "host: …", TAKEN.sub(r"\1 …", re.sub("─+", "─", line)))
        for line in lines
        if line and not line.startswith(("TAINTED", "VERDICT:", "best:", "speed "))
    ]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ
        | {"PATH": path, "COLUMNS": "80", REFERENCE_MODEL.variable: str(TOSA_PYTHON)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.network
@pytest.mark.slow
def test_every_block_runs_as_printed(tmp_path: Path) -> None:
    for name in ("cat", "coffee"):
        photograph = ROOT / f"exporters/edgecnn_exporters/photographs/{name}.jpg"
        shutil.copy(photograph, tmp_path)
    assert {language for language, _ in BLOCKS} == {"console", "python", "sh"}
    for language, text in BLOCKS:
        if language == "console":
            command, _, expected = text.partition("\n")
            if "-emulated" in command and shutil.which("qemu-aarch64") is None:
                continue
            if command.startswith("$ edgecnn compile") and not HAS_TOOLCHAINS:
                continue
            weights = f"--quantize int8 --weight-bits {OPENVINO_WEIGHT_BITS}"
            command = command.replace("--quantize int8", weights)
            ran = run(command.removeprefix("$ "), tmp_path)
            assert ran.returncode == 0, ran.stderr
            assert normal(ran.stdout) == normal(expected)
        elif text.startswith("# nets.py"):
            (tmp_path / "nets.py").write_text(text)
        else:
            command = f"{sys.executable} - <<'CODE'\n{text}CODE" if language == "python" else text
            ran = run(command, tmp_path)
            assert ran.returncode == 0, ran.stderr
            if "learn=True" in text:
                assert ran.stdout == "bar\n"
            elif "edgecnn_runtime" in text:
                # OpenCV decodes a JPEG to other grey levels than Pillow.
                assert ran.stdout.startswith(("Egyptian cat 0.69", "Egyptian cat 0.70"))


def test_the_first_fifteen_lines_show_what_it_does_and_the_two_commands() -> None:
    top = "\n".join(README.splitlines()[:15])
    shown = ("$ edgecnn export mobilenet_v2", "verified", "make demo", "make test", ".venv/bin")
    for each in shown:
        assert each in top


def first_screen(page: str) -> str:
    """A page up to its first heading of level two."""
    return re.split(r"^## ", (ROOT / page).read_text(encoding="utf-8"), flags=re.M)[0]


@pytest.mark.parametrize(
    "pattern",
    [r"(?s)^```.*?^```$", r"`[^`\n]+`", r"\d+(?:\.\d+)?(?:e-?\d+)?", r"\(docs/[^)]*\)"],
    ids=["blocks", "code", "figures", "links"],
)
def test_the_first_screen_in_chinese_says_the_same(pattern: str) -> None:
    english, chinese = (first_screen(page) for page in ("README.md", "README.zh.md"))
    said = sorted(re.findall(pattern, english, re.M))
    assert said
    assert sorted(re.findall(pattern, chinese, re.M)) == said


def test_the_two_commands_are_targets_of_make() -> None:
    for target in ("demo", "test", "check"):
        ran = run(f"make --dry-run {target}", ROOT)
        assert ran.returncode == 0, ran.stderr


def test_links_lead_to_files_that_are_there() -> None:
    pages = (ROOT / "README.md", ROOT / "README.zh.md")
    for page in (*pages, *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md"):
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (page.parent / link).exists(), f"{page.name} → {link}"


def test_the_commands_in_the_table_are_those_of_the_command_line() -> None:
    from edgecnn.cli import COMMANDS

    listed = re.findall(r"^\| `edgecnn (\w+)", README, re.M)
    assert sorted(listed) == sorted(COMMANDS)


def test_the_exit_codes_are_those_of_the_table() -> None:
    from edgecnn import exit_codes

    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    sentence = README[README.index("Exit codes:") :].partition("\n\n")[0]
    said = {int(n) for n in re.findall(r"(?:^|[ ,\n])(\d+) ", sentence)}
    assert said == codes
