"""Probe of a board by a POSIX shell script: machine, libc, Pythons, CPU features, disk.

The script prints a marker, then lines ``key=value``, then a second marker; a key may come more than
once. A command that the board lacks leaves its line out. Whatever comes before the marker is not
the script's: login scripts print greetings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.devices.board import Facts, Interpreter
from edgecnn.errors import DeviceFailed
from edgecnn_runtime.host.processor import ARM, ARM_CORES

OLDEST_PYTHON = (3, 11)
BEGIN = "--- edgecnn facts ---"
END = "--- edgecnn facts end ---"

# Run by dash, busybox ash, bash, …: no arrays, no `local`, no `[[`. Nothing in it is fatal.
# Interpreters print their own resolved path: a launcher, such as pyenv's, is not the interpreter.
PROBE_SCRIPT = r"""
LC_ALL=C; export LC_ALL
say() { printf '%s=%s\n' "$1" "$2"; }
echo '--- edgecnn facts ---'
for file in /proc/device-tree/model /sys/devices/virtual/dmi/id/product_name; do
    if [ -r "$file" ]; then say model "$(tr -d '\000' <"$file" 2>/dev/null | head -n 1)"; fi
done
say system "$(uname -s 2>/dev/null)"
say kernel "$(uname -m 2>/dev/null)"
say bits "$(getconf LONG_BIT 2>/dev/null)"
say elf "$(od -A n -t u1 -j 4 -N 1 /bin/sh 2>/dev/null)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
say ldd "$(ldd --version 2>&1 | head -n 2 | tr '\n' ' ')"
for loader in /lib/ld-musl-*; do
    if [ -x "$loader" ]; then say ldd "$("$loader" 2>&1 | head -n 2 | tr '\n' ' ')"; fi
done
say home "${HOME:-}"
say cores "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null)"
while IFS=: read -r key value; do
    case $key in
        'model name'*) say name "$value" ;;
        'CPU implementer'*) maker=$value ;;
        'CPU part'*) say core "$maker$value" ;;
        Model*) say model "$value" ;;
        Features*|flags*) say features "$value" ;;
    esac
done </proc/cpuinfo 2>/dev/null | sort -u
while IFS=: read -r key value; do
    case $key in MemTotal|MemAvailable) say "$key" "$value" ;; esac
done </proc/meminfo 2>/dev/null
case ${XDG_CACHE_HOME:-} in /*) folder=$XDG_CACHE_HOME ;; *) folder=${HOME:-}/.cache ;; esac
say cache "$folder/edgecnn"
while [ -n "$folder" ] && [ ! -d "$folder" ]; do folder=${folder%/*}; done
say df "$(df -Pk "${folder:-/}" 2>/dev/null | tail -n 1)"
ask='import os, sys; v = sys.version_info
print("python=%d.%d.%d %s" % (v[0], v[1], v[2], os.path.realpath(sys.executable)))'
seen=:
IFS=:
for folder in ${PATH:-} /usr/bin /usr/local/bin "${HOME:-}"/.pyenv/versions/*/bin; do
    for name in python3 python3.11 python3.12 python3.13 python3.14 python3.15; do
        [ -x "$folder/$name" ] || continue
        file=$(readlink -f "$folder/$name" 2>/dev/null) || file=$folder/$name
        case $seen in *":$file:"*) continue ;; esac
        seen=$seen$file:
        "$folder/$name" -S -s -c "$ask" </dev/null 2>/dev/null
    done
done
unset IFS
echo '--- edgecnn facts end ---'
"""


@dataclass(frozen=True)
class BoardFacts:
    """Output of the probe script, parsed.

    Attributes:
        system: as ``uname -s`` prints it.
        home: the user's folder; empty where there is none.
        cache: where edgecnn keeps its files on the board.
    """

    facts: Facts
    system: str
    home: str
    cache: str


def read_facts(output: str) -> Facts:
    """Facts in the output of `PROBE_SCRIPT`.

    Raises:
        DeviceFailed: the script did not run, or not to its end.
    """
    return read_probe(output).facts


def read_probe(output: str) -> BoardFacts:
    """As `read_facts`, with what only a transport needs.

    Raises:
        DeviceFailed: the script did not run, or not to its end.
    """
    values = _read_lines(output)

    def first(key: str) -> str:
        return next((value for value in values.get(key, []) if value), "")

    kernel = first("kernel")
    facts = Facts(
        model=first("model") or None,
        cpu=_cpu(values),
        kernel=kernel,
        machine=_machine(kernel, _bits(first("bits"), first("elf"))),
        libc=_libc([*values.get("libc", []), *values.get("ldd", [])]),
        pythons=_pythons(values.get("python", [])),
        cores=int(first("cores")) if first("cores").isdecimal() else 1,
        features=_features(values.get("features", [])),
        memory_bytes=_kilobytes(r"(\d+) kB", first("MemTotal")),
        available_bytes=_kilobytes(r"(\d+) kB", first("MemAvailable")),
        disk_bytes=free_bytes(first("df")),
    )
    return BoardFacts(facts, first("system"), first("home"), first("cache"))


def free_bytes(line: str) -> int | None:
    """Free bytes in a line of ``df -Pk``."""
    # POSIX: name, blocks, used, available, capacity, mounted on. A name may hold blanks.
    return _kilobytes(r"\s\d+\s+\d+\s+(\d+)\s+\d+%\s", line)


def _read_lines(output: str) -> dict[str, list[str]]:
    """Key → its values, between the last marker that begins and the one that ends."""
    _, begin, after = output.rpartition(BEGIN)
    body, end, _ = after.partition(END)
    if not begin or not end:
        excerpt = " ".join(output.split())[-200:]
        raise DeviceFailed(
            "the board's shell did not run the probe"
            + (f"; it printed: {excerpt}" if excerpt else " and printed nothing")
        )
    values: dict[str, list[str]] = {}
    for line in body.splitlines():
        key, is_pair, value = line.partition("=")
        if is_pair:
            values.setdefault(key, []).append(value.strip())
    return values


def _cpu(values: dict[str, list[str]]) -> str | None:
    if names := values.get("name"):
        return names[0]
    cores = [core.split() for core in values.get("core", [])]
    names = [
        ARM_CORES[part]
        if maker == ARM and part in ARM_CORES
        else f"implementer {maker} part {part}"
        for maker, part in (core for core in cores if len(core) == 2)
    ]
    return ", ".join(names) or None


def _bits(long_bit: str, elf_class: str) -> int | None:
    if long_bit.isdecimal():
        return int(long_bit)
    # The fifth byte of an ELF file: 1 for 32 bits, 2 for 64.
    return {"1": 32, "2": 64}.get(elf_class)


def _machine(kernel: str, bits: int | None) -> str:
    """Machine of the userland; a 32-bit one on a 64-bit ARM kernel is ARMv7."""
    if kernel.startswith("armv8") or (kernel == "aarch64" and bits == 32):
        return "armv7l"
    if kernel == "x86_64" and bits == 32:
        return "i686"
    return kernel


def _libc(texts: Sequence[str]) -> tuple[str, tuple[int, int]] | None:
    for text in texts:
        if musl := re.search(r"musl.*?[Vv]ersion (\d+)\.(\d+)", text):
            return "musl", (int(musl[1]), int(musl[2]))
        if glibc := re.search(r"\b(?:glibc|GLIBC|GNU libc).*?\b(\d+)\.(\d+)", text):
            return "glibc", (int(glibc[1]), int(glibc[2]))
    return None


def _pythons(lines: Sequence[str]) -> tuple[Interpreter, ...]:
    """Interpreters, supported ones first, the oldest ahead: most engines have wheels for it."""
    interpreters: dict[str, Interpreter] = {}
    for line in lines:
        if match := re.fullmatch(r"(\d+)\.(\d+)\.(\d+) (/.*)", line):
            version = (int(match[1]), int(match[2]), int(match[3]))
            interpreters.setdefault(match[4], Interpreter(match[4], version))
    fit = [one for one in interpreters.values() if one.version[:2] >= OLDEST_PYTHON]
    old = [one for one in interpreters.values() if one.version[:2] < OLDEST_PYTHON]
    return (
        *sorted(fit, key=lambda one: one.version[:2]),
        *sorted(old, key=lambda one: one.version, reverse=True),
    )


def _features(lines: Sequence[str]) -> tuple[str, ...]:
    """CPU features that every core has, sorted: a big one may have more than a little one."""
    sets = [set(line.split()) for line in lines]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def _kilobytes(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match[1]) * 1024 if match else None
