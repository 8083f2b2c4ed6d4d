"""Measurement job of the agent: artefacts, engines, environments and the measurement plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgecnn_runtime.budget import Budget


@dataclass(frozen=True)
class Environment:
    """An interpreter that runs the agent, and folders with an engine's packages.

    Attributes:
        command: command that starts the agent, without its arguments.
        path: folders put on PYTHONPATH; if empty, PYTHONPATH is left as it is.
    """

    command: tuple[str, ...]
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """One row: an artefact of a bundle on an engine, or a step of its training graph.

    Attributes:
        bundle: path of the bundle on the machine where the agent runs.
        artefact: its path in the bundle; None takes the first of `precision` that `engine` runs.
            That of the training graph: what is run is a step of learning.
        engine: name of the engine; None takes the first that opens the artefact.
        precision: of the artefact; None takes any.
        threads: intra-operator threads; None leaves the engine's own default.
        environment: name of the environment that has the engine; "" is the agent's own.
        against: index of the row that this one is compared with.
        batch: images a run; None is one, and of a training graph the golden step's number.
    """

    bundle: str
    artefact: str | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    environment: str = ""
    against: int | None = None
    batch: int | None = None

    def options(self) -> list[str]:
        """Command-line options of the agent for this row."""
        options = {
            "--artefact": self.artefact,
            "--engine": self.engine,
            "--precision": self.precision,
            "--threads": self.threads,
            "--batch": self.batch,
        }
        return [word for k, v in options.items() if v is not None for word in (k, str(v))]


@dataclass(frozen=True)
class MeasurementPlan:
    """Measurement plan: rounds, block length, warm-up and time limits.

    Attributes:
        rounds: number of blocks of each row; a comparison has as many pairs.
        block_ms: approximate duration of a block, which repeats the run at least once and at most
            `MAX_RUNS_PER_BLOCK` times.
        warmup_s: time limit of each row's warm-up, stable or not.
        max_s: no round begins after this long, once there are enough rounds for a verdict.
        sustained_s: if given, rounds go on for this long, whatever `rounds` and `max_s` are.
        cold_starts: number of fresh processes of each row.
    """

    rounds: int = 60
    block_ms: float = 60.0
    warmup_s: float = 3.0
    max_s: float = 40.0
    sustained_s: float | None = None
    cold_starts: int = 0


@dataclass(frozen=True)
class MeasurementJob:
    """One measurement on one device.

    Attributes:
        environments: name → environment, for those that the subjects name.
        who: name of the bench's owner, shown to others that wait for the machine.
        wait_s: how long to wait for another bench on the same machine; None does not lock.
        done_rounds: number of rounds that an interrupted run has finished.
        done_cold: number of cold starts that it has finished, row by row; empty for none.
        budget: each process that opens a bundle is held to it.
    """

    subjects: tuple[Subject, ...]
    plan: MeasurementPlan
    environments: Mapping[str, Environment] = field(default_factory=dict)
    who: str = "somebody"
    wait_s: float | None = None
    done_rounds: int = 0
    done_cold: tuple[int, ...] = ()
    budget: Budget = field(default_factory=Budget)

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
            budget=Budget(**values["budget"]),
        )
