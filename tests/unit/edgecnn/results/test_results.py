"""Results as Python shows them: a table as text and HTML, rows as a DataFrame, the document."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from json_types import check_document
from shared import once
from unit.edgecnn.bench.events import FLOAT, INT8, run

from edgecnn.documents.train import trained_fields
from edgecnn.exit_codes import FAILED, OK, SLOWER
from edgecnn.results.bench import LatencyResult
from edgecnn.results.benching import BenchOptions, bench_bundle
from edgecnn.results.compile import list_targets
from edgecnn.results.devices import DeviceRemovedResult, ProfileResult, list_devices
from edgecnn.results.evaluate import EvaluateOptions, evaluate_bundle
from edgecnn.results.export import ExportPlanResult
from edgecnn.results.gradient import GradientOptions, list_layers
from edgecnn.results.result import Result
from edgecnn.results.run import RunOptions, classify_images
from edgecnn.results.train import TrainResult
from edgecnn.results.verify_preprocess import compare_preprocessing
from edgecnn.results.verifying import VerifyOptions, verify_bundle
from edgecnn.results.zoo import ZooResult
from edgecnn.train.recipe import Recipe
from edgecnn_runtime.measure.results import assemble

ROOT = Path(__file__).parents[4]
LENET = str(ROOT / "tests/data/bundles/lenet5.edge")
PHOTOGRAPHS = ROOT / "exporters/edgecnn_exporters/photographs"
CAT = str(PHOTOGRAPHS / "cat.jpg")


def cats(folder: Path) -> str:
    """A folder of two classes with a photograph each."""
    for name in ("0", "7"):
        (folder / name).mkdir()
        shutil.copy(CAT, folder / name)
    return str(folder)


def evaluated(folder: Path) -> Result:
    options = EvaluateOptions(engine="onnxruntime", processes=1)
    return evaluate_bundle(LENET, cats(folder), options)


def benched(_: Path) -> Result:
    return LatencyResult({"rpi": assemble((FLOAT, INT8), run(30, lambda row, _: 10.0 - row))})


def trained(_: Path) -> Result:
    result = {
        "weights": "run/weights.safetensors",
        "architecture": "lenet5",
        "form": {"classes": 10},
        "data": "mnist",
        "is_quantised": False,
        "recipe": Recipe().to_json(),
        "epochs": 2,
        "test": {"images": 10_000, "right": 9_899, "accuracy": 0.9899},
        "seconds": 61.5,
    }
    return TrainResult((trained_fields(result),))


def planned(folder: Path) -> Result:
    from edgecnn.exporting.plan import ExportOptions, plan
    from edgecnn.model.resolve import resolve

    return ExportPlanResult(plan(ExportOptions(resolve("lenet5"), folder / "lenet5.edge")))


def profile(_: Path) -> Result:
    from edgecnn.devices.find import find_profile

    return ProfileResult(find_profile("rpi5"))


def zoo(_: Path) -> Result:
    from edgecnn.zoo.figures import read_figures

    return ZooResult(read_figures())


def layers(_: Path) -> Result:
    from edgecnn.model.resolve import resolve

    return list_layers(resolve("lenet5"), GradientOptions())


MAKERS: Mapping[str, Callable[[Path], Result]] = {
    "verify": lambda _: verify_bundle(LENET, VerifyOptions(("onnxruntime",))),
    "verify-preprocess": lambda folder: compare_preprocessing(LENET, cats(folder)),
    "evaluate": evaluated,
    "bench": benched,
    "bench-profile": lambda _: bench_bundle(
        LENET, BenchOptions(engines=("onnxruntime",), precisions=("fp32",), profiles=True)
    ),
    "run": lambda _: classify_images(LENET, [CAT, "none.png"], RunOptions(engine="onnxruntime")),
    "train": trained,
    "plan": planned,
    "profile": profile,
    "zoo": zoo,
    "devices": lambda _: list_devices(is_asked=False),
    "removed": lambda _: DeviceRemovedResult("rpi", Path("devices.toml")),
    "targets": lambda _: list_targets(),
    "layers": layers,
}
# A word of the table, and a column of the rows.
EXPECTED = {
    "verify": ("model.int8.onnx", "sqnr_db"),
    "verify-preprocess": ("same class", "mean_levels"),
    "evaluate": ("top-1", "top1_low"),
    "bench": ("best: ", "median_ms"),
    "bench-profile": ("Conv", "ms"),
    "run": ("class", "score"),
    "train": ("98.99%", "accuracy"),
    "plan": ("dynamo", "plan"),
    "profile": ("Cortex-A76", "max_mhz"),
    "zoo": ("mobilenet_v2", "macs"),
    "devices": ("this machine", "kind"),
    "removed": ("removed rpi", "file"),
    "targets": ("ethos-u55-128", "family"),
    "layers": ("max pooling", "padding"),
}


@pytest.fixture(scope="module", params=MAKERS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Result]:
    name: str = request.param
    return name, MAKERS[name](tmp_path_factory.mktemp(name))


def test_a_result_is_the_table_the_document_and_a_frame(made: tuple[str, Result]) -> None:
    name, result = made
    word, column = EXPECTED[name]
    assert word in str(result)
    html = result._repr_html_()
    assert word in html
    assert html.count("<table>") == html.count("</table>")
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    check_document(document, result.SCHEMA)
    frame = result.to_dataframe()
    assert len(frame) == len(result.rows()) > 0
    assert column in frame.columns


def test_an_export_is_a_table_a_document_and_a_frame(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def export(folder: Path) -> tuple[str, str, dict[str, object], list[str]]:
        from edgecnn.exporting.plan import ExportOptions, plan
        from edgecnn.model.resolve import resolve
        from edgecnn.results.export import export_network

        options = ExportOptions(resolve("lenet5"), folder / "net.edge", "mnist", quiet=True)
        result = export_network(plan(options), is_measured=False)
        columns = list(result.to_dataframe().columns)
        return str(result), result._repr_html_(), result.to_dict(), columns

    text, html, document, columns = once(tmp_path_factory, "lenet5-exported", export)
    assert "captured  by dynamo" in text
    assert "<td>by dynamo" in html
    assert "precision" in columns
    check_document(json.loads(json.dumps(document)), "edgecnn.export/1")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (LatencyResult({}), OK),
        (LatencyResult({}, failed={"rpi": "rpi is off"}), FAILED),
        (benched(Path()), OK),
    ],
)
def test_a_result_has_the_exit_code_of_its_command(result: Result, code: int) -> None:
    assert result.exit_code == code


def test_only_a_bench_that_is_compared_is_slower() -> None:
    slow = assemble((FLOAT, INT8), run(30, lambda row, _: 10.0 + row))
    assert LatencyResult({"rpi": slow}).exit_code == OK
    assert LatencyResult({"rpi": slow}, is_against=True).exit_code == SLOWER


def test_a_run_without_an_image_that_can_be_read_has_failed() -> None:
    result = classify_images(LENET, ["none.png"], RunOptions(engine="onnxruntime"))
    assert (result.exit_code, result.images) == (FAILED, ())
    assert "'none.png' cannot be opened" in result.failures[0]
    assert str(result) == ""
