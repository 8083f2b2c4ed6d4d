"""Answers and wheels are kept: what the cache has, pip is not asked for."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.devices.wheels import IndexUnreachable, WheelTarget, fetch_wheels
from edgecnn.devices.wheels.index import NoWheel, find_wheels
from edgecnn.devices.wheels.memory import MAX_AGE_S, remembered
from edgecnn.errors import FetchError

TARGET = WheelTarget("aarch64", ("glibc", (2, 36)), (3, 11))
NOWHERE = "http://127.0.0.1:1/simple"


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is a port where nobody listens."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_PROXY", "")


def age(index: Index, seconds: float) -> None:
    for path in (index.folder.with_name("cache") / "wheels" / "answers").iterdir():
        kept = json.loads(path.read_text())
        path.write_text(json.dumps(kept | {"at": time.time() - seconds}))


def test_a_wheel_lies_under_its_digest_and_is_downloaded_once(index: Index) -> None:
    made = index.add("numpy", "2.4.6", "cp311-cp311-manylinux_2_17_aarch64")
    wheels = find_wheels(["numpy"], TARGET)
    ((wheel, path),) = fetch_wheels(wheels, TARGET).items()
    assert path.read_bytes() == made.read_bytes()
    assert path.stem == wheel.sha256 == hashlib.sha256(made.read_bytes()).hexdigest()
    made.unlink()
    assert fetch_wheels(wheels, TARGET) == {wheel: path}
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]


def test_a_wheel_that_the_index_has_replaced_is_refused(index: Index) -> None:
    index.add("numpy", "2.4.6")
    wheels = find_wheels(["numpy"], TARGET)
    index.add("numpy", "2.4.6", files={"numpy/other.py": b""})
    with pytest.raises(FetchError):
        fetch_wheels(wheels, TARGET)
    cache = index.folder.with_name("cache")
    assert [one for one in cache.rglob("*") if one.is_file() and "lock" not in one.name] == []


def test_threads_that_want_the_same_wheel_get_it_once_and_whole(index: Index) -> None:
    made = index.add("numpy", "2.4.6", files={"numpy/data": bytes(300_000)})
    wheels = find_wheels(["numpy"], TARGET)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: fetch_wheels(wheels, TARGET)[wheels[0]], range(3)))
    assert {path.read_bytes() for path in found} == {made.read_bytes()}


def test_a_cache_that_cannot_be_written_says_what_to_do(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("numpy", "2.4.6")
    wheels = find_wheels(["numpy"], TARGET)
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match="set EDGECNN_CACHE"):
        fetch_wheels(wheels, TARGET)


def test_an_answer_is_remembered_until_it_is_old(index: Index) -> None:
    answers = iter(["first", "second", "third"])
    assert remembered("question", lambda: next(answers)) == "first"
    assert remembered("question", lambda: next(answers)) == "first"
    assert remembered("another", lambda: next(answers)) == "second"
    age(index, MAX_AGE_S + 60)
    assert remembered("question", lambda: next(answers)) == "third"


def test_a_damaged_answer_is_asked_for_again(index: Index) -> None:
    assert remembered("question", lambda: 1) == 1
    for path in (index.folder.with_name("cache") / "wheels" / "answers").iterdir():
        path.write_text("{")
    assert remembered("question", lambda: 2) == 2


def test_an_old_answer_serves_without_a_connection(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("numpy", "2.4.6")
    names = lambda: [one.name for one in find_wheels(["numpy"], TARGET)]  # noqa: E731
    assert remembered("question", names) == ["numpy"]
    age(index, MAX_AGE_S + 60)
    offline(monkeypatch)
    assert remembered("question", names) == ["numpy"]
    with pytest.raises(IndexUnreachable, match="does not answer"):
        remembered("another", names)


def test_no_wheel_and_no_answer_are_told_apart(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoWheel) as caught:
        find_wheels(["Some_Package>=1.0"], TARGET)
    assert caught.value.package == "some-package"
    assert caught.value.requirement == "Some_Package>=1.0"
    offline(monkeypatch)
    with pytest.raises(IndexUnreachable, match="the package index does not answer pip"):
        find_wheels(["Some_Package>=1.0"], TARGET)


def test_a_python_without_pip_says_how_to_get_it(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(IndexUnreachable, match=r"does not have; .* -m ensurepip"):
        find_wheels(["numpy"], TARGET)
