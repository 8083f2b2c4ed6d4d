"""Bundles with anything in place of a field or of some bytes: opened, or refused by our errors."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile.edited import members_of, write_members
from hostile.names import names
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.parity.verify import verify

# Numbers at the edges of types, and what a field is rarely expected to be.
SCALARS = (
    st.sampled_from([None, True, False, 0, -1, 1, 3, 65_536, 65_537, 2**31, 2**63, 10**40])
    | st.sampled_from([0.5, -0.0, 1e-300, 1e300])
    | st.sampled_from(["", "fp32", "labels.txt", "golden/0.input.npy", "input", "logits", "NHWC"])
)
VALUES = st.recursive(
    SCALARS | names(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names(), inner, max_size=3),
    max_leaves=6,
)
fuzz = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def places(value: object) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys:
            found += [(value, key), *places(value[key])]
    return found


def try_all(path: Path) -> None:
    """What commands do with a bundle; only errors of ours may come of it."""
    with contextlib.suppress(EdgeCNNError):
        with Bundle(path) as bundle:
            for row in verify(bundle, ("fake",)):
                json.dumps(row.to_json())
        with edge.open(path) as session:
            session.classify(np.zeros((5, 6, 3), np.uint8))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@fuzz
@given(data=st.data())
def test_a_manifest_with_another_value_somewhere(bundle: Path, data: st.DataObject) -> None:
    members = members_of(bundle)
    document = json.loads(members["manifest.json"])
    for _ in range(data.draw(st.integers(1, 3))):
        all_places = places(document)
        container, key = all_places[data.draw(st.integers(0, len(all_places) - 1))]
        if isinstance(container, dict) and data.draw(st.booleans()):
            container[data.draw(names())] = data.draw(VALUES)
        else:
            container[key] = data.draw(VALUES)
    members["manifest.json"] = json.dumps(document).encode()
    try_all(write_members(bundle.with_name("fuzzed.edge"), members))


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Duplicate name")
@fuzz
@given(data=st.data())
def test_an_archive_with_other_bytes_somewhere(bundle: Path, data: st.DataObject) -> None:
    content = bytearray(bundle.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):  # in the directory and the record at the end
            at = content.find(b"PK\x01\x02") + at % 400
        new = data.draw(st.binary(min_size=1, max_size=4))
        content[at : at + len(new)] = new
    if data.draw(st.integers(0, 9)) == 0:
        del content[data.draw(st.integers(1, len(content) - 1)) :]
    path = bundle.with_name("fuzzed.edge")
    path.write_bytes(content)
    try_all(path)
