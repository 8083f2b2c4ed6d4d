"""Which engines a board can have, asked of an index by pip."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.devices.board import Facts, Interpreter
from edgecnn.devices.native_sources import zig_version
from edgecnn.devices.wheels import Supplies, choose, fetch_wheels
from edgecnn.devices.wheels.choose import EXTRAS, requirements

PYPROJECT = Path(__file__).parents[5] / "runtime/pyproject.toml"


def board(
    machine: str = "aarch64",
    libc: tuple[str, tuple[int, int]] | None = ("glibc", (2, 36)),
    pythons: Sequence[tuple[int, int, int]] = ((3, 11, 2),),
) -> Supplies:
    interpreters = [Interpreter("/usr/bin/python{}.{}".format(*one), one) for one in pythons]
    facts = Facts(
        *(None, None, machine, machine, libc, tuple(interpreters), 4),
        *((), None, None, None),
    )
    return choose(facts, interpreters)


def test_numpy_2_serves_four_engines_and_numpy_1_the_last_tflite_runtime(index: Index) -> None:
    index.add_engines()
    found = board()
    assert found.refused == {}
    offer = found.offer()
    assert offer.environments == {
        "main": {
            "onnxruntime": "1.32.0",
            "numpy": "2.4.6",
            "ai-edge-litert": "2.3.0",
            "openvino": "2026.4.1",
            "edgecnn-native": "0.2.0",
            "flatbuffers": "25.1",
        },
        "tflite-runtime": {"tflite-runtime": "2.14.0", "numpy": "1.26.4"},
    }


def test_an_engine_without_a_wheel_takes_no_other_along(index: Index) -> None:
    index.add_engines()
    next(index.folder.glob("openvino*")).unlink()
    index.add("openvino", "2026.4.1", "cp311-cp311-manylinux_2_38_aarch64")
    index.add("openvino", "2025.3.0", "cp311-cp311-manylinux_2_37_aarch64")
    found = board()
    assert found.refused == {"openvino": "needs glibc 2.37, the board has glibc 2.36"}
    assert set(found.environments[0].engines) == {
        "onnxruntime",
        "ai-edge-litert",
        "edgecnn-native",
    }


def test_an_older_release_is_taken_where_the_newest_does_not_fit(index: Index) -> None:
    index.add_engines()
    index.add("openvino", "2026.5", "cp311-cp311-manylinux_2_38_aarch64")
    assert board().offer().environments["main"]["openvino"] == "2026.4.1"


def test_numpy_is_the_newest_that_all_engines_allow(index: Index) -> None:
    index.add_engines()
    index.add("numpy", "2.6.1", "cp311-cp311-manylinux_2_17_aarch64")
    assert board().offer().environments["main"]["numpy"] == "2.4.6"


def test_engines_that_do_not_agree_have_an_environment_each(index: Index) -> None:
    index.add_engines()
    for old in ("onnxruntime", "openvino"):
        next(index.folder.glob(f"{old}*")).unlink()
    tag = "cp311-cp311-manylinux_2_17_aarch64"
    index.add("onnxruntime", "1.32.0", tag, requires=["numpy>=2"])
    index.add("openvino", "2026.4.1", tag, requires=["numpy<2"])
    environments = board().offer().environments
    assert environments["onnxruntime"]["numpy"] == "2.4.6"
    assert environments["openvino"]["numpy"] == "1.26.4"
    assert "ai-edge-litert" in environments


def test_the_first_python_that_has_most_engines_is_taken(index: Index) -> None:
    index.add_engines(python="312")
    found = board(pythons=[(3, 11, 2), (3, 12, 1), (3, 13, 1)])
    assert {one.python.path for one in found.environments} == {"/usr/bin/python3.12"}


@pytest.mark.slow
def test_what_an_engine_fails_at_is_named(index: Index) -> None:
    index.add_engines()
    index.add("tflite-runtime", "2.14.0", "cp311-cp311-manylinux_2_17_armv7l")
    found = board("armv7l")
    assert found.environments == ()
    reason = "no wheel for armv7l, there is one for aarch64"
    assert found.refused == {
        "onnxruntime": reason,
        "ai-edge-litert": reason,
        "openvino": reason,
        "edgecnn-native": reason,
        "tflite-runtime": f"requires numpy: {reason}",
    }


def test_a_board_whose_c_library_is_not_known_is_given_nothing(index: Index) -> None:
    assert "C library" in board(libc=None).refused["onnxruntime"]


def test_what_is_chosen_is_what_was_asked_for_and_what_that_requires(index: Index) -> None:
    index.add_engines()
    found = board()
    (only,) = found.chosen(["openvino", "nonsense"])
    assert {wheel.name for wheel in only.wheels} == {"openvino", "numpy"}
    assert {one.name for one in found.chosen(["openvino", "tflite-runtime"])} == {
        "main",
        "tflite-runtime",
    }


def test_of_litert_and_its_predecessor_the_newer_is_chosen(index: Index) -> None:
    index.add_engines()
    found = board()
    assert [one.name for one in found.chosen(None)] == ["main"]
    (main,) = found.chosen(["onnxruntime"])
    without = Supplies((main, found.environments[1]), {})
    assert [one.name for one in without.chosen(None)] == ["main", "tflite-runtime"]


# A clone's extra `native` is its own folder, of its own version.
@pytest.mark.parametrize("extra", [extra for extra in EXTRAS.values() if extra != "native"])
def test_the_versions_are_those_of_the_packages_own_extras(extra: str) -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads(PYPROJECT.read_text())["project"]
    numpy = [one for one in project["dependencies"] if one.startswith("numpy")]
    expected = [Requirement(one) for one in (*project["optional-dependencies"][extra], *numpy)]
    found = list(map(Requirement, requirements(extra)))
    assert {(one.name, one.specifier) for one in found} == {
        (one.name, one.specifier) for one in expected
    }
    assert all(one.marker is None for one in found)


@pytest.mark.network
def test_the_real_index_has_every_engine_for_a_raspberry_pi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    found = board()
    # Our own, which the index has not yet: a clone builds it, where it has zig.
    assert set(found.refused) <= ({"edgecnn-native"} if zig_version() is None else set())
    assert {one.name for one in found.environments} == {"main", "tflite-runtime"}
    supply = found.chosen(["tflite-runtime"])[0]
    wheels = fetch_wheels(supply.wheels, supply.target)
    assert all("aarch64" in wheel.file for wheel in wheels)
    assert all(path.stat().st_size > 1e6 for path in wheels.values())
