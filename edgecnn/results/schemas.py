"""Every schema of ``--json``: name and version → its dataclass, and the command that prints it.

A field that is added keeps the version; one that goes, or whose meaning changes, makes a new one.
``python tests/json_page.py`` writes docs/json.md from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.bundles.extract import Extracted
from edgecnn.bundles.facts import BundleFacts
from edgecnn.bundles.model_file import ModelShow
from edgecnn.bundles.strip import Stripped
from edgecnn.devices.profile import Profile
from edgecnn.documents.bench import BenchDocument
from edgecnn.documents.compile import (
    CompileDocument,
    CompilePlanDocument,
    CompileTargetsDocument,
)
from edgecnn.documents.devices import (
    DevicesAddDocument,
    DevicesDocument,
    DevicesRemoveDocument,
)
from edgecnn.documents.doctor import DoctorDocument
from edgecnn.documents.emulated import EmulatedDocument
from edgecnn.documents.error import ErrorDocument
from edgecnn.documents.evaluate import EvaluateDocument
from edgecnn.documents.export import ExportDocument
from edgecnn.documents.gradient import GradientDocument, GradientLayersDocument
from edgecnn.documents.learn import LearnDocument
from edgecnn.documents.plan import PlanDocument
from edgecnn.documents.verify import VerifyDocument, VerifyPreprocessDocument
from edgecnn.documents.zoo import ZooDocument
from edgecnn.results.bench_profile import ProfileDocument
from edgecnn.results.run import RunResult
from edgecnn.results.train import TrainResult


@dataclass(frozen=True)
class Schema:
    """A document and the command that prints it.

    Attributes:
        document: the dataclass of its fields, without ``schema``.
        command: as it is typed, without ``--json``.
    """

    document: type
    command: str


SCHEMAS: Mapping[str, Schema] = {
    "edgecnn.export/1": Schema(ExportDocument, "edgecnn export MODEL"),
    "edgecnn.plan/1": Schema(PlanDocument, "edgecnn export MODEL --dry-run"),
    "edgecnn.verify/1": Schema(VerifyDocument, "edgecnn verify BUNDLE"),
    "edgecnn.verify-preprocess/1": Schema(
        VerifyPreprocessDocument, "edgecnn verify BUNDLE --preprocess"
    ),
    "edgecnn.evaluate/1": Schema(EvaluateDocument, "edgecnn evaluate BUNDLE --data DATA"),
    "edgecnn.bench/2": Schema(BenchDocument, "edgecnn bench BUNDLE"),
    "edgecnn.bench-emulated/1": Schema(
        EmulatedDocument, "edgecnn bench BUNDLE --device rpi4-emulated"
    ),
    "edgecnn.bench-profile/1": Schema(ProfileDocument, "edgecnn bench BUNDLE --profile"),
    "edgecnn.learn/1": Schema(LearnDocument, "edgecnn learn BUNDLE --data DATA"),
    "edgecnn.bundle-show/1": Schema(BundleFacts, "edgecnn bundle show BUNDLE"),
    "edgecnn.model-show/1": Schema(ModelShow, "edgecnn bundle show FILE.onnx"),
    "edgecnn.bundle-extract/1": Schema(Extracted, "edgecnn bundle extract BUNDLE"),
    "edgecnn.bundle-strip/1": Schema(Stripped, "edgecnn bundle strip BUNDLE"),
    "edgecnn.run/1": Schema(RunResult, "edgecnn run BUNDLE IMAGE…"),
    "edgecnn.compile/1": Schema(CompileDocument, "edgecnn compile BUNDLE --for TARGET"),
    "edgecnn.compile-plan/1": Schema(
        CompilePlanDocument, "edgecnn compile BUNDLE --for TARGET --dry-run"
    ),
    "edgecnn.compile-targets/1": Schema(CompileTargetsDocument, "edgecnn compile --list"),
    "edgecnn.zoo/2": Schema(ZooDocument, "edgecnn zoo [NAME]…"),
    "edgecnn.gradient/1": Schema(GradientDocument, "edgecnn zoo NAME --gradient LAYER --plot FILE"),
    "edgecnn.gradient-layers/1": Schema(GradientLayersDocument, "edgecnn zoo NAME --gradient list"),
    "edgecnn.train/1": Schema(TrainResult, "edgecnn train NAME --data DATA"),
    "edgecnn.devices/1": Schema(DevicesDocument, "edgecnn devices"),
    "edgecnn.devices-add/1": Schema(DevicesAddDocument, "edgecnn devices add NAME TARGET"),
    "edgecnn.devices-remove/1": Schema(DevicesRemoveDocument, "edgecnn devices remove NAME"),
    "edgecnn.profile/1": Schema(Profile, "edgecnn devices show NAME"),
    "edgecnn.doctor/1": Schema(DoctorDocument, "edgecnn doctor"),
    "edgecnn.error/1": Schema(ErrorDocument, "edgecnn COMMAND …, where it fails"),
}
