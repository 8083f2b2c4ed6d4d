"""Kept state of a learning, in a file beside the new bundle: what ``--resume`` goes on from.

A safetensors file in which one tensor of bytes is JSON, so that weights and the place in the epoch
appear in one atomic rename and never disagree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import CheckpointUnreadable, ResumeRefused
from edgecnn.learn.loop import LearningPlan
from edgecnn.learn.options import LearningOptions
from edgecnn.learn.prepare import PreparedImages
from edgecnn.learn.state import LearningState, LearntEpoch, Tensors
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.bundle.safetensors import read_safetensors, write_safetensors

SCHEMA = "edgecnn.learning/1"
# Names of tensors: parts of the state, and the JSON. Without a best part it is the current one.
CURRENT, BEST, DOCUMENT = "current.", "best.", "json"

Request = Mapping[str, Any]


def learning_request(
    bundle: Path,
    prepared: PreparedImages,
    plan: LearningPlan,
    labels: tuple[str, ...] | None,
    options: LearningOptions,
) -> Request:
    """All that decides what is learnt, by its name in messages: bundle, options and images.

    Options come before what follows from them: another seed holds out other images.
    """
    return {
        "bundle": hashlib.sha256(bundle.read_bytes()).hexdigest(),
        "--seed": plan.seed,
        "--held-out": options.held_out,
        "--limit": options.limit,
        "classes": None if labels is None else list(labels),
        "images": [
            [part.digest, len(part), hashlib.sha256(part.places.tobytes()).hexdigest()]
            for part in (prepared.learnt, prepared.judging)
        ],
        "--epochs": plan.epochs,
        "--batch": plan.batch,
        "--learning-rate": plan.learning_rate,
        "--patience": plan.patience,
    }


@dataclass(frozen=True)
class KeptLearning:
    """File of a learning's state.

    Attributes:
        path: of the file.
        request: of the learning, which a state that it goes on from must have.
    """

    path: Path
    request: Request

    def write(self, state: LearningState) -> None:
        """Keep a state; what was kept before stays until the new one is whole.

        Raises:
            OutputNotWritable: the disk is full, or the folder went away.
        """
        tensors = {f"{CURRENT}{name}": value for name, value in state.current.items()}
        if state.best is not state.current:
            tensors |= {f"{BEST}{name}": value for name, value in state.best.items()}
        document = {
            "schema": SCHEMA,
            "request": dict(self.request),
            "history": [asdict(row) for row in state.history],
            "best_epoch": state.best_epoch,
            "batch": state.batch,
            "loss_sum": state.loss_sum,
            "steps": state.steps,
            "seconds": state.seconds,
            "stop": state.stop,
        }
        tensors[DOCUMENT] = np.frombuffer(json.dumps(document).encode(), np.uint8)
        with replace_file(self.path) as stream:
            stream.write(write_safetensors(tensors))

    def read(self, like: Tensors) -> LearningState:
        """The state that was kept.

        Args:
            like: a state of the same bundle, whose names and shapes it must have.

        Raises:
            ResumeRefused: there is none, or it is of another learning.
            CheckpointUnreadable: the file is damaged.
        """
        if not self.path.exists():
            raise ResumeRefused(
                f"nothing to resume: {self.path} is not there; begin without --resume"
            )
        tensors, document = self._document()
        self._refuse_others(document.get("request"))
        current = _part(tensors, CURRENT)
        best = _part(tensors, BEST) or current
        for part in (current, best):
            self._check_like(part, like)
        try:
            return LearningState(
                current=current,
                best=best,
                history=tuple(LearntEpoch(**row) for row in document["history"]),
                best_epoch=int(document["best_epoch"]),
                batch=int(document["batch"]),
                loss_sum=float(document["loss_sum"]),
                steps=int(document["steps"]),
                seconds=float(document["seconds"]),
                stop=document["stop"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"{type(error).__name__} {error}") from error

    def remove(self) -> None:
        """Remove the file: the new bundle is written."""
        self.path.unlink(missing_ok=True)

    def _document(self) -> tuple[dict[str, Array], Mapping[str, Any]]:
        try:
            tensors = read_safetensors(self.path.read_bytes())
            document = json.loads(tensors.pop(DOCUMENT).tobytes())
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(f"{type(error).__name__} {error}") from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise self._damaged(f"expected the schema {SCHEMA}")
        return tensors, document

    def _refuse_others(self, kept: object) -> None:
        request = json.loads(json.dumps(self.request))
        known = kept if isinstance(kept, dict) else {}
        odd = [name for name in request if known.get(name) != request[name]]
        if not odd:
            return
        name = odd[0]
        was = f"{_typed(name, known.get(name))} instead of {_typed(name, request[name])}"
        if not name.startswith("--"):
            was = f"another {name}" if name == "bundle" else f"other {name}"
        raise ResumeRefused(
            f"{self.path} is of a learning with {was}: give the same bundle, images and options, "
            "or begin anew without --resume"
        )

    def _check_like(self, part: Tensors, like: Tensors) -> None:
        # What was seen on the way, such as ranges, comes with the first step.
        odd = sorted(like.keys() - part.keys()) or [
            name for name, value in like.items() if part[name].shape != value.shape
        ]
        if odd:
            raise self._damaged(f"{odd[0]} is missing or of another shape")

    def _damaged(self, why: str) -> CheckpointUnreadable:
        return CheckpointUnreadable(
            f"{self.path} is no state of a learning that can be resumed: {why}; begin anew without "
            "--resume"
        )


def _typed(name: str, value: object) -> str:
    return f"no {name}" if value is None else f"{name} {value}"


def _part(tensors: Tensors, prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
