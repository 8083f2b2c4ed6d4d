"""Job of the agent: the artefacts and engines to measure, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Environment:
    """A way to start the agent: an interpreter, and folders with an engine's packages.

    Attributes:
        command: what runs the agent, without its arguments.
        path: folders put on PYTHONPATH; none leaves the interpreter as it is.
    """

    command: tuple[str, ...]
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """One row: an artefact of a bundle on an engine.

    Attributes:
        bundle: its path where the agent runs.
        artefact: its path in the bundle; None takes the first of `precision` that `engine` runs.
        threads: intra-operator threads; None leaves the engine's own default.
        environment: name of the environment that has the engine; "" is the agent's own.
        against: index of the row that this one is compared with.
    """

    bundle: str
    artefact: str | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    environment: str = ""
    against: int | None = None

    def options(self) -> list[str]:
        """The agent's arguments that make the same choices."""
        chosen = {
            "--artefact": self.artefact,
            "--engine": self.engine,
            "--precision": self.precision,
            "--threads": self.threads,
        }
        return [word for k, v in chosen.items() if v is not None for word in (k, str(v))]


@dataclass(frozen=True)
class MeasurementPlan:
    """Measurement plan: rounds, block length, warm-up and time limits.

    Attributes:
        rounds: blocks of each row; a comparison has as many pairs.
        block_ms: a block repeats the run until about this long, at least once and at most
            `MAX_RUNS_PER_BLOCK` times.
        warmup_s: the warm-up of each row ends here, stable or not.
        max_s: no further round begins after this long, once there are enough for a verdict.
        sustained_s: rounds go on for this long instead, however many they are.
        cold_starts: fresh processes of each row.
    """

    rounds: int = 60
    block_ms: float = 60.0
    warmup_s: float = 3.0
    max_s: float = 40.0
    sustained_s: float | None = None
    cold_starts: int = 0


@dataclass(frozen=True)
class MeasurementJob:
    """All of one measurement on one device.

    Attributes:
        environments: name → environment, for those that the subjects name.
        who: the one who measures, for others that wait for the machine.
        wait_s: how long to wait for another bench on the same machine; None lets it go on beside.
        done_rounds: rounds that an interrupted run has finished already.
        done_cold: cold starts that it has, row by row; empty for none.
    """

    subjects: tuple[Subject, ...]
    plan: MeasurementPlan
    environments: Mapping[str, Environment] = field(default_factory=dict)
    who: str = "somebody"
    wait_s: float | None = None
    done_rounds: int = 0
    done_cold: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MeasurementJob:
        """The job that `to_json` wrote."""
        return cls(
            subjects=tuple(Subject(**one) for one in values["subjects"]),
            plan=MeasurementPlan(**values["plan"]),
            environments={
                name: Environment(tuple(one["command"]), tuple(one["path"]))
                for name, one in values["environments"].items()
            },
            who=values["who"],
            wait_s=values["wait_s"],
            done_rounds=values["done_rounds"],
            done_cold=tuple(values["done_cold"]),
        )
