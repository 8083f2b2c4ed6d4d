"""The function behind `edgecnn doctor --device`: engines of a board, and what disturbs a bench."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecnn.devices.checks import Check, check, measuring
from edgecnn.errors import OptionsRefused
from edgecnn.results.doctor import DoctorResult
from edgecnn_runtime.errors import EdgeCNNError

if TYPE_CHECKING:
    from edgecnn.devices.board import Board, Event, Facts, Offer
    from edgecnn.documents.doctor import DoctorDocument

LEAST_MEMORY_BYTES = 250e6
LEAST_DISK_BYTES = 500e6
# What 8-bit kernels and half precision are chosen by, as /proc/cpuinfo names it.
ARM_FEATURES = {"dotprod": "asimddp", "i8mm": "i8mm", "fp16": "asimdhp"}
X86_FEATURES = {"AVX2": "avx2", "AVX-512": "avx512f", "VNNI": "avx512_vnni", "AVX-VNNI": "avx_vnni"}


def examine_device(name: str, *, quiet: bool) -> DoctorResult:
    """Examine one device: what decides its wheels, its engines, what disturbs a bench.

    Raises:
        OptionsRefused: the name is that of several devices.
        UnknownDevice, DeviceConfigInvalid: there is no such device.
        DeviceFailed: it cannot be reached.
    """
    from edgecnn.console import note
    from edgecnn.devices import find_boards
    from edgecnn.devices.listing import summary
    from edgecnn.devices.local import LocalBoard
    from edgecnn.progress_bar import waiting

    boards = find_boards([name])
    if len(boards) != 1:
        names = ", ".join(board.name for board in boards)
        raise OptionsRefused(f"{name} holds several devices: {names}; doctor examines one")
    (board,) = boards
    try:
        with waiting(f"asking {board.name}", quiet=quiet):
            facts = board.facts()
            offer, reason = _offered(board)
        if offer.environments and not isinstance(board, LocalBoard):
            note(f"bringing the agent and engines to {board.name}", quiet=quiet)
        with waiting(f"trying the engines on {board.name}", quiet=quiet):
            hosts, failures = _ask_agents(board, offer)
    finally:
        board.close()
    engines = list(engine_checks(offer, hosts, failures))
    can_run = any(one.ok for one in engines)
    if reason:
        engines.append(check("engines", False, reason, needed=True))
    checks = (*system_checks(facts), *engines, *_conditions(board, facts, hosts))
    return DoctorResult(
        findings=_document(board.name, facts, offer, hosts, checks),
        summary=(f"{board.name}: {summary(facts)}",),
        can_work=can_run,
        conclusion="" if can_run else "no engine can run there",
    )


def _offered(board: Board) -> tuple[Offer, str]:
    """The engines available to a board, or none and the reason: no Python, no package index."""
    from edgecnn.devices.board import Offer

    try:
        return board.offer(), ""
    except EdgeCNNError as error:
        return Offer({}), _line(error)


def _ask_agents(board: Board, offer: Offer) -> tuple[dict[str, Event], dict[str, str]]:
    """The agent's report in each environment, and the error where it does not run."""
    from edgecnn.devices.board import ask_host
    from edgecnn.errors import DeviceFailed
    from edgecnn.web.engines import web_packages
    from edgecnn_runtime.engines import engine_packages

    hosts: dict[str, Event] = {}
    failures: dict[str, str] = {}
    offered = {one for packages in offer.environments.values() for one in packages}
    engines = offered & {*engine_packages(), *web_packages()}
    if not engines:
        return hosts, failures
    try:
        environments = board.prepare(engines)
    except DeviceFailed as error:
        return hosts, dict.fromkeys(offer.environments, _line(error))
    for name in environments:
        try:
            hosts[name] = ask_host(board, name)
        except DeviceFailed as error:
            failures[name] = _line(error)
    return hosts, failures


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def system_checks(facts: Facts) -> Iterator[Check]:
    """Checks of what decides the wheels: machine, libc, Python, disk space."""
    from edgecnn.devices.listing import userland
    from edgecnn.devices.probe import OLDEST_PYTHON

    is_64 = facts.machine in ("aarch64", "x86_64")
    bits = "64-bit" if is_64 else "32-bit" if facts.machine.startswith(("arm", "i")) else ""
    system = ", ".join(one for one in (userland(facts), bits) if one)
    yield check("userland", is_64, system, "a 64-bit system: most engines need one", needed=False)
    is_glibc = facts.libc is not None and facts.libc[0] == "glibc"
    written = "unknown" if facts.libc is None else "{} {}.{}".format(facts.libc[0], *facts.libc[1])
    mend = "a system with glibc, such as Debian: engines have no wheels for others"
    yield check("libc", is_glibc, written, mend, needed=False)
    fit = [one for one in facts.pythons if one.version[:2] >= OLDEST_PYTHON]
    shown = ["{}.{}.{} ({})".format(*one.version, one.path) for one in fit or facts.pythons]
    interpreters = ", ".join(shown[:2]) + (f" and {len(shown) - 2} more" if len(shown) > 2 else "")
    mend = "sudo apt install python3 (from Debian 12 on), or python = in your file of devices"
    yield check("Python", bool(fit), interpreters or "none", mend, needed=False)
    if facts.available_bytes is not None:
        room = facts.available_bytes >= LEAST_MEMORY_BYTES
        total = f" of {facts.memory_bytes / 1e9:.1f} GB" if facts.memory_bytes else ""
        free = f"{facts.available_bytes / 1e9:.2f} GB free{total}"
        yield check("memory", room, free, "end other programs there", needed=False)
    if facts.disk_bytes is not None:
        room = facts.disk_bytes >= LEAST_DISK_BYTES
        mend = "0.5 GB: an engine is unpacked there"
        yield check("disk", room, f"{facts.disk_bytes / 1e9:.1f} GB free", mend, needed=False)
    names = X86_FEATURES if facts.machine in ("x86_64", "i686") else ARM_FEATURES
    has = [name if code in facts.features else f"no {name}" for name, code in names.items()]
    yield check("processor", True, ", ".join(has), needed=False)


def engine_checks(
    offer: Offer, hosts: dict[str, Event], failures: dict[str, str]
) -> Iterator[Check]:
    """Checks of the engines: version, whether they work, and why others are missing."""
    from edgecnn.web.engines import web_packages
    from edgecnn_runtime.engines import engine_packages

    engines = engine_packages() | web_packages()
    for environment, packages in offer.environments.items():
        for package, version in packages.items():
            if package not in engines:
                continue
            host = hosts.get(environment, {"missing": {}})
            missing = host["missing"].get(engines[package], {"reason": "", "mend": ""})
            reason = failures.get(environment) or missing["reason"]
            where = f", environment {environment}" if len(offer.environments) > 1 else ""
            text = f"{version}{where}: {reason}" if reason else f"{version}{where}"
            yield check(f"engine {package}", not reason, text, missing["mend"], needed=True)
    for package, reason in offer.refused.items():
        yield check(f"engine {package}", False, reason, needed=False)


def _conditions(board: Board, facts: Facts, hosts: dict[str, Event]) -> Iterator[Check]:
    """Checks of conditions that taint a bench, and thermal limits of the board's profile."""
    from edgecnn.devices.profile_toml import profile_of

    if not board.is_timed:
        yield check("latency", True, "emulated: none is measured", needed=False)
        return
    for host in list(hosts.values())[:1]:
        yield from measuring(host["host"], host["state"])
    profile = profile_of(facts.model, facts.kernel)
    if profile is not None and (heat := profile.heat):
        begins = f"throttles at {heat.throttle_celsius:g} °C; " if heat.throttle_celsius else ""
        yield check("heat", True, f"{begins}needs {heat.needs}", needed=False)


def _document(
    name: str, facts: Facts, offer: Offer, hosts: dict[str, Event], checks: tuple[Check, ...]
) -> DoctorDocument:
    from edgecnn.documents.doctor import DoctorDocument
    from edgecnn_runtime.measure.results import host_from_json, state_from_json

    host = next(iter(hosts.values()), None)
    return DoctorDocument(
        device=name,
        host=None if host is None else host_from_json(host["host"]),
        state=None if host is None else state_from_json(host["state"]),
        checks=checks,
        facts=facts,
        environments={key: dict(packages) for key, packages in offer.environments.items()},
        refused=dict(offer.refused),
    )
