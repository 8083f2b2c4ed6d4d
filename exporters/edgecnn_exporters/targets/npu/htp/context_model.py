"""The ONNX file around a QNN context binary: what it refers to, and what it says of the binary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_runtime.errors import ExternalData, first_line

if TYPE_CHECKING:
    import onnx

OPERATOR, DOMAIN = "EPContext", "com.microsoft"
SOURCE = "QNNExecutionProvider"


@dataclass(frozen=True)
class ContextModel:
    """What the wrapper of a context binary says.

    Attributes:
        binaries: names of the files that it reads, in its own folder.
        sdk: version of the QNN libraries that compiled them.
    """

    binaries: tuple[str, ...]
    sdk: str


def read_context_model(content: bytes, name: str) -> ContextModel:
    """Read a wrapper, whoever wrote it.

    Raises:
        ExternalData: it refers to a file outside its own folder, to another execution provider, or
            holds weights in a file.
        CompilerFailed: it is no ONNX file, or holds no context.
    """
    import onnx

    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's errors share no narrower base
        raise CompilerFailed(f"{name} is no ONNX file: {first_line(error)}") from error
    _refuse_foreign(model, name)
    contexts = [node for node in model.graph.node if node.op_type == OPERATOR]
    if not contexts:
        raise CompilerFailed(f"{name} holds no {OPERATOR} operator, expected one for the NPU")
    values = [_attributes(node) for node in contexts]
    # Further parts of a network that is split between NPU and CPU read the first one's file.
    read = [_binary(each, name) for each in values if each.get("main_context") != 0 or _path(each)]
    binaries = tuple(dict.fromkeys(read))
    return ContextModel(binaries, str(values[0].get("ep_sdk_version", "")))


def _refuse_foreign(model: onnx.ModelProto, name: str) -> None:
    import onnx

    for node in model.graph.node:
        source = _attributes(node).get("source") if node.op_type == OPERATOR else SOURCE
        if source not in (SOURCE, "QNN"):
            raise ExternalData(f"{name} has a context for {source!r}, expected {SOURCE!r}")
        if node.domain not in ("", "ai.onnx", DOMAIN):
            raise ExternalData(f"{name} has the operator {node.domain}:{node.op_type} of another's")
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ExternalData(f"{name} keeps {tensor.name!r} in a file, expected it inside")


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    import onnx

    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    return {
        key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for key, value in values.items()
    }


def _path(values: dict[str, object]) -> str:
    return str(values.get("ep_cache_context", ""))


def _binary(values: dict[str, object], name: str) -> str:
    """The file that a context is read from.

    Raises:
        ExternalData: it is not a plain file name, or of another execution provider.
    """
    path = _path(values)
    plain = PurePosixPath(path).name
    if values.get("embed_mode") != 0 or path != plain or "\\" in path or path in ("", "..", "."):
        raise ExternalData(
            f"{name} reads its context from {path[:80]!r}, expected the name of a file beside it; "
            "compile it again with edgecnn"
        )
    return path
