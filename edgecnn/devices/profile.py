"""What is known of a kind of board before anybody plugs one in: a TOML file of figures and sources.

docs/devices.md describes the format.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """A cache above the first level.

    Attributes:
        cores: how many share it.
    """

    kib: int
    cores: int


@dataclass(frozen=True)
class Caches:
    """Of one core: its own data and instruction cache, and what stands behind them."""

    l1d_kib: int
    l1i_kib: int
    l2: Cache | None
    l3: Cache | None
    source: str


@dataclass(frozen=True)
class Simd:
    """What a core computes vectors with.

    Attributes:
        bits: width of a vector register.
        dotprod: sums of four products of 8-bit integers (SDOT, UDOT; on x86 VPDPBUSD).
        i8mm: products of matrices of 8-bit integers (SMMLA).
        fp16: arithmetic on halves.
    """

    bits: int
    dotprod: bool
    i8mm: bool
    fp16: bool
    source: str


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind."""

    core: str
    count: int
    max_mhz: int
    caches: Caches | None
    simd: Simd
    source: str


@dataclass(frozen=True)
class Memory:
    """Of the whole board.

    Attributes:
        sizes_gb: that it is sold with.
        bandwidth_gb_s: at most, for all cores and what else is on the bus.
    """

    sizes_gb: tuple[float, ...]
    bandwidth_gb_s: float | None
    source: str


@dataclass(frozen=True)
class Engines:
    """What can be expected to run; what does is found out by asking the board.

    Attributes:
        expected: packages with wheels for the board as it is commonly set up.
        note: what must hold for that.
    """

    expected: tuple[str, ...]
    note: str
    source: str


@dataclass(frozen=True)
class Heat:
    """How a bench sees that a board was too hot.

    Attributes:
        watch: files and commands that say how hot it is, and whether that limits it.
        throttle_celsius: the cores slow down from here on.
        needs: what keeps it below that for the length of a bench.
    """

    watch: tuple[str, ...]
    throttle_celsius: float | None
    needs: str
    source: str


@dataclass(frozen=True)
class Emulation:
    """How a board without the board is made to look.

    Attributes:
        qemu_cpu: for QEMU's ``-cpu``.
        model: what /proc/device-tree/model says.
        implementer, variant, part, revision: fields of MIDR_EL1, as /proc/cpuinfo shows them.
        features: the line "Features" of /proc/cpuinfo.
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
        machine: of a 64-bit userland, where there is one: ``aarch64``, ``x86_64``.
        models: patterns (as a shell's) of what /proc/device-tree/model says.
        clusters: the fastest first.
    """

    name: str
    title: str
    machine: str
    models: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    memory: Memory | None
    engines: Engines
    heat: Heat | None
    emulation: Emulation | None

    @property
    def cores(self) -> int:
        """How many there are in all clusters."""
        return sum(cluster.count for cluster in self.clusters)
