"""The corpus that fuzzing left: each input is read, or refused by an error of its own."""

from __future__ import annotations

import pytest
from hostile.fuzz_targets import CORPUS, TARGETS, run_one, seeds

INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("target", TARGETS)
def test_sound_inputs_are_read(target: str) -> None:
    for content in seeds()[target]:
        TARGETS[target](content) if target != "openvino" else run_one(target, content)


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_read_or_refused(target: str) -> None:
    inputs = [path for path in INPUTS if path.parent.name == target]
    assert inputs
    for path in inputs:
        run_one(target, path.read_bytes())
