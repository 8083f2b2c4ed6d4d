"""Wrappers of QNN contexts: what they may read."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.npu.htp.context_model import read_context_model
from edgecnn_runtime.errors import ExternalData

CONTEXT = {
    "main_context": 1,
    "embed_mode": 0,
    "ep_cache_context": "model_qnn.bin",
    "source": "QNNExecutionProvider",
    "ep_sdk_version": "v2.51.0",
}


def wrapper(domain: str = "com.microsoft", **attributes: object) -> onnx.ModelProto:
    node = helper.make_node("EPContext", ["x"], ["y"], domain=domain, **CONTEXT | attributes)
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, [1]) for name in "xy"]
    return helper.make_model(helper.make_graph([node], "context", ends[:1], ends[1:]))


def test_the_binary_and_the_version_of_the_libraries_are_read() -> None:
    read = read_context_model(wrapper().SerializeToString(), "model.onnx")
    assert read.binaries == ("model_qnn.bin",)
    assert read.sdk == "v2.51.0"


def test_further_parts_read_the_first_ones_binary() -> None:
    model = wrapper()
    model.graph.node.extend(wrapper(main_context=0, ep_cache_context="").graph.node)
    read = read_context_model(model.SerializeToString(), "model.onnx")
    assert read.binaries == ("model_qnn.bin",)


@pytest.mark.parametrize(
    "path", ["../model_qnn.bin", "/etc/passwd", "sub/model_qnn.bin", "..\\model.bin", "..", ""]
)
def test_a_path_that_leaves_the_folder_is_refused(path: str) -> None:
    content = wrapper(ep_cache_context=path).SerializeToString()
    with pytest.raises(ExternalData, match="expected the name of a file beside it"):
        read_context_model(content, "npu/htp-v73/model.onnx")


def test_what_else_could_load_code_or_files_is_refused() -> None:
    with pytest.raises(ExternalData, match="context for 'OpenVINOExecutionProvider'"):
        read_context_model(wrapper(source="OpenVINOExecutionProvider").SerializeToString(), "m")
    with pytest.raises(ExternalData, match="operator mine:EPContext"):
        read_context_model(wrapper(domain="mine").SerializeToString(), "m")
    model = wrapper()
    tensor = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "weight")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    model.graph.initializer.append(tensor)
    with pytest.raises(ExternalData, match="keeps 'weight' in a file"):
        read_context_model(model.SerializeToString(), "m")


@pytest.mark.parametrize("content", [b"no ONNX at all", b""])
def test_what_is_no_wrapper_is_refused(content: bytes) -> None:
    with pytest.raises(CompilerFailed, match=r"is no ONNX file|holds no EPContext"):
        read_context_model(content, "model.onnx")
