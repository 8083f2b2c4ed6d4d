"""Board profiles in TOML: cores, caches, memory, engines, heat, each figure with its source.

docs/devices.md describes the format.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """A cache above the first level.

    Attributes:
        kib: its size.
        cores: how many share it.
    """

    kib: int
    cores: int


@dataclass(frozen=True)
class Caches:
    """Caches of one core: its own data and instruction cache, and the shared levels.

    Attributes:
        l1d_kib, l1i_kib: sizes of the first level.
        source: where the figures are from.
    """

    l1d_kib: int
    l1i_kib: int
    l2: Cache | None
    l3: Cache | None
    source: str


@dataclass(frozen=True)
class Simd:
    """SIMD units of a core.

    Attributes:
        bits: width of a vector register.
        dotprod: sums of four products of 8-bit integers (SDOT, UDOT; on x86 VPDPBUSD).
        i8mm: products of matrices of 8-bit integers (SMMLA).
        fp16: arithmetic on halves.
        source: where the facts are from.
    """

    bits: int
    dotprod: bool
    i8mm: bool
    fp16: bool
    source: str


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind.

    Attributes:
        core: name of the core.
        count: number of cores.
        max_mhz: highest clock.
        source: where the figures are from.
    """

    core: str
    count: int
    max_mhz: int
    caches: Caches | None
    simd: Simd
    source: str


@dataclass(frozen=True)
class Memory:
    """Memory of the whole board.

    Attributes:
        sizes_gb: that it is sold with.
        bandwidth_gb_s: at most, for all cores and what else is on the bus.
        source: where the facts are from.
    """

    sizes_gb: tuple[float, ...]
    bandwidth_gb_s: float | None
    source: str


@dataclass(frozen=True)
class ExpectedEngines:
    """Engines expected to run on a board; a bench probes which of them do.

    Attributes:
        expected: packages with wheels for the board as it is commonly set up.
        note: what must hold for that.
        source: where the facts are from.
    """

    expected: tuple[str, ...]
    note: str
    source: str


@dataclass(frozen=True)
class Heat:
    """Thermal limits of a board: sensors, throttling temperature, cooling.

    Attributes:
        watch: files and commands that show the temperature, and whether it limits the cores.
        throttle_celsius: the cores slow down from here on.
        needs: what keeps it below that for the length of a bench.
        source: where the facts are from.
    """

    watch: tuple[str, ...]
    throttle_celsius: float | None
    needs: str
    source: str


@dataclass(frozen=True)
class Emulation:
    """Settings for emulating the board.

    Attributes:
        qemu_cpu: for QEMU's ``-cpu``.
        model: content of /proc/device-tree/model.
        implementer, variant, part, revision: fields of MIDR_EL1, as /proc/cpuinfo shows them.
        features: the line "Features" of /proc/cpuinfo.
        source: where the facts are from.
    """

    qemu_cpu: str
    model: str
    implementer: int
    variant: int
    part: int
    revision: int
    features: str
    source: str


@dataclass(frozen=True)
class Profile:
    """A kind of board.

    Attributes:
        name: of its file, and of ``--profile``.
        title: of the board, in words.
        machine: of a 64-bit userland, where there is one: ``aarch64``, ``x86_64``.
        models: patterns (as a shell's) for /proc/device-tree/model.
        clusters: the fastest first.
    """

    name: str
    title: str
    machine: str
    models: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    memory: Memory | None
    engines: ExpectedEngines
    heat: Heat | None
    emulation: Emulation | None

    @property
    def cores(self) -> int:
        """Number of cores in all clusters."""
        return sum(cluster.count for cluster in self.clusters)
