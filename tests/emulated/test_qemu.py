"""Which QEMU is trusted, with which processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.devices.emulated.qemu import Qemu, check_cpu, find_qemu, guest_command
from edgecnn.errors import EmulationUnavailable


def program(folder: Path, version: str, helps: str = "") -> str:
    """Something that answers as a QEMU does."""
    path = folder / "qemu-aarch64"
    path.write_text(
        f"#!/bin/sh\n[ \"$1\" = -h ] && echo '{helps}' || echo 'qemu-aarch64 version {version}'\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("version", "found"), [("7.2.22 (Debian)", (7, 2)), ("10.0.2", (10, 0))])
def test_a_version_that_was_tested_or_is_newer_is_taken(
    tmp_path: Path, version: str, found: tuple[int, int]
) -> None:
    assert find_qemu([program(tmp_path, version)]).version == found


def test_an_older_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmulationUnavailable, match=r"is qemu 5\.2, expected 7\.2 or newer"):
        find_qemu([program(tmp_path, "5.2.0")])


def test_what_is_no_qemu_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "qemu-aarch64"
    path.write_text("#!/bin/sh\necho hello\n")
    path.chmod(0o755)
    with pytest.raises(EmulationUnavailable, match=r"says 'hello\\n', expected QEMU's version"):
        find_qemu([str(path)])


def test_without_qemu_the_error_names_the_command_that_installs_it() -> None:
    with pytest.raises(EmulationUnavailable, match=r"not installed here; apt-get install .*qemu"):
        find_qemu(["qemu-aarch64-that-is-nowhere"])


def test_whether_it_takes_plugins_is_read_from_its_help(tmp_path: Path) -> None:
    assert not find_qemu([program(tmp_path, "7.2.0")]).has_plugins
    assert find_qemu([program(tmp_path, "7.2.0", "-plugin   QEMU_PLUGIN")]).has_plugins


def test_a_processor_that_computes_wrongly_is_refused(qemu: Qemu) -> None:
    old = Qemu(qemu.program, (7, 2), has_plugins=True)
    with pytest.raises(EmulationUnavailable, match=r"7\.2 computes wrongly with -cpu max; give"):
        check_cpu(old, "max")
    check_cpu(old, "max,sme=off")
    check_cpu(Qemu(qemu.program, (10, 0), has_plugins=True), "max")


def test_a_processor_that_it_does_not_know_is_refused(qemu: Qemu) -> None:
    check_cpu(qemu, "cortex-a76")
    with pytest.raises(EmulationUnavailable, match=r"knows no processor cortex-a9999; it knows "):
        check_cpu(qemu, "cortex-a9999")


def test_a_comma_in_a_path_stays_one(tmp_path: Path) -> None:
    qemu = Qemu("qemu", (7, 2), has_plugins=True)
    plugin = ["/a,b/plugin.so", "out=/c,d"]
    command = guest_command(qemu, "cortex-a72", tmp_path, ["/bin/true"], plugin)
    assert command[command.index("-plugin") + 1] == "/a,,b/plugin.so,out=/c,,d"
    assert command[-1] == "/bin/true"
