"""The worked diffs of the contributors' pages apply to the tree as it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/contributing").glob("*.md"))


@pytest.mark.skipif(shutil.which("git") is None, reason="git applies the diffs")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_worked_diff_applies(page: Path) -> None:
    blocks = re.findall(r"^```diff\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    for block in blocks:
        ran = subprocess.run(
            ["git", "apply", "--check", "-"],
            input=block,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr


def test_every_page_is_linked() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\(docs/contributing/(\w+)\.md\)", text))
    assert linked == {page.stem for page in PAGES}
