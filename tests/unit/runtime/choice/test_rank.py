"""The choice as a function of instruction set and measurements."""

from __future__ import annotations

import pytest

from edgecnn_runtime.choice.latencies import KnownLatency
from edgecnn_runtime.choice.order import ORDER
from edgecnn_runtime.choice.rank import Candidate, rank
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.host.processor import InstructionSet, Processor
from edgecnn_runtime.manifest import Artefact

FORMATS = {"onnx": "onnxruntime", "openvino": "openvino", "tflite": "tflite", "plan": "native"}
VNNI = Processor("EPYC", "x86_64", ("avx2", "avx512_vnni", "avx512f"))
AVX2 = Processor("Core i5", "x86_64", ("avx2", "fma"))
A76 = Processor("Cortex-A76", "aarch64", ("asimd", "asimddp"))
A72 = Processor("Cortex-A72", "aarch64", ("asimd",))
OLD = Processor("Core 2", "x86_64", ("sse4_1",))


def candidate(format: str, precision: str, *, is_weak: bool = False) -> Candidate:
    artefact = Artefact(f"model.{precision}.{format}", format, precision, is_weak=is_weak)
    return Candidate(artefact, f"{format}-{precision}", FORMATS[format])


FP32 = [candidate(each, "fp32") for each in ("onnx", "openvino", "tflite")]
INT8 = [candidate(each, "int8") for each in ("onnx", "openvino", "tflite", "plan")]
ALL = [*FP32, *INT8]
ONNX, PLAN, TFLITE8 = FP32[0], INT8[-1], INT8[2]


def row(of: Candidate, median_ms: float | None, verdict: str = "equal", threads: int = 1):
    return KnownLatency(
        of.sha256, of.engine, "a 1", threads, verdict, median_ms, "EPYC", (), "2026-11-30"
    )


def taken(candidates: list[Candidate], processor: Processor, **known: object) -> list[str]:
    choice = rank(candidates, processor, **known)
    return [one.candidate.words() for one in choice.ranked]


@pytest.mark.parametrize(
    ("processor", "first", "last"),
    [
        (
            VNNI,
            ["int8 native", "int8 tflite", "int8 openvino", "int8 onnxruntime"],
            "fp32 openvino",
        ),
        (AVX2, ["int8 native", "fp32 tflite", "fp32 onnxruntime"], "int8 openvino"),
        (A76, ["int8 native", "int8 tflite", "int8 onnxruntime"], "fp32 openvino"),
        (A72, ["int8 native", "int8 tflite", "fp32 tflite"], "int8 openvino"),
        (OLD, ["fp32 tflite", "fp32 onnxruntime", "fp32 openvino"], "int8 openvino"),
    ],
)
def test_without_measurements_the_order_is_that_of_the_instruction_set(
    processor: Processor, first: list[str], last: str
) -> None:
    choice = rank(ALL, processor)
    order = [f"{one.candidate.artefact.precision} {one.candidate.engine}" for one in choice.ranked]
    assert order[: len(first)] == first
    assert order[-1] == last
    assert sorted(order) == sorted(f"{one.artefact.precision} {one.engine}" for one in ALL)
    assert choice.basis == "order"
    assert choice.reason == f"by the order for {processor.instruction_set.value}"


@pytest.mark.parametrize("instruction_set", InstructionSet)
def test_every_order_names_every_engine_and_precision_once(instruction_set: InstructionSet) -> None:
    order = ORDER[instruction_set]
    assert len({*order}) == len(order)
    assert {*order} == {*ORDER[InstructionSet.X86_VNNI]}


def test_measurements_of_this_machine_go_before_the_order() -> None:
    here = [row(PLAN, 2.0), row(ONNX, 1.5), row(TFLITE8, 3.0)]
    choice = rank(ALL, VNNI, here=here)
    assert [one.candidate for one in choice.ranked[:3]] == [ONNX, PLAN, TFLITE8]
    assert len(choice.ranked) == len(ALL)
    assert choice.basis == "measured here"
    assert choice.reason == "fastest of 3 measured on this machine, 2026-11-30: 1.5 ms, 1 thread"


def test_measurements_without_the_orders_first_decide_nothing() -> None:
    """A bench of fp32 alone says nothing of the plan."""
    choice = rank(ALL, VNNI, here=[row(ONNX, 1.5)])
    assert (choice.ranked[0].candidate, choice.basis) == (PLAN, "order")


def test_measurements_of_this_machine_go_before_those_of_the_bundle() -> None:
    elsewhere = [row(PLAN, 1.0), row(ONNX, 2.0)]
    here = [row(PLAN, 2.0), row(ONNX, 1.0)]
    assert rank(ALL, VNNI, here=here, elsewhere=elsewhere).ranked[0].candidate == ONNX
    choice = rank(ALL, VNNI, elsewhere=elsewhere)
    assert (choice.ranked[0].candidate, choice.basis) == (PLAN, "measured elsewhere")
    assert "as the bundle says" in choice.reason


def test_the_number_of_threads_is_that_of_the_fastest_row() -> None:
    here = [row(PLAN, 2.0, threads=1), row(PLAN, 1.2, threads=2), row(ONNX, 1.5, threads=2)]
    assert rank(ALL, VNNI, here=here).ranked[0] == (PLAN, 2)
    assert rank(ALL, VNNI, here=here, threads=1).ranked[0] == (PLAN, 1)
    assert rank(ALL, VNNI, here=here, threads=2).reason.endswith("1.2 ms, 2 threads")
    assert rank(ALL, VNNI, here=here, threads=4).basis == "order"


def test_wrong_answers_in_a_bench_are_left_out_unless_named() -> None:
    here = [row(PLAN, None, "differs"), row(TFLITE8, 3.0), row(ONNX, 4.0)]
    choice = rank(ALL, VNNI, here=here)
    assert choice.ranked[0].candidate == TFLITE8
    assert PLAN not in [one.candidate for one in choice.ranked]
    assert rank([PLAN], VNNI, here=here, is_named=True).ranked[0].candidate == PLAN
    with pytest.raises(EngineError, match="wrong answers in a bench of this machine, 2026-11-30"):
        rank([PLAN], VNNI, here=here)


def test_what_crashed_or_was_refused_comes_last() -> None:
    for verdict in ("crashed", "refused"):
        choice = rank(ALL, VNNI, here=[row(PLAN, None, verdict)])
        assert (choice.ranked[0].candidate, choice.ranked[-1].candidate) == (TFLITE8, PLAN)


def test_a_weak_artefact_is_left_out_where_others_are() -> None:
    weak = candidate("plan", "int8", is_weak=True)
    assert taken([ONNX, weak], VNNI) == [ONNX.words()]
    assert taken([weak], VNNI) == [weak.words()]
    assert taken([weak, ONNX], VNNI, is_named=True)[0] == weak.words()


def test_the_only_candidate_is_no_matter_of_measurements() -> None:
    choice = rank([ONNX], VNNI, threads=3)
    assert choice.ranked == ((ONNX, 3),)
    assert choice.basis == "only one"
