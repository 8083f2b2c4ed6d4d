"""Check of an ONNX protobuf message for external tensor data, without the onnx package.

An engine that opens a model follows the path of a tensor's external data to any file of the
machine (CVE-2022-25882, CVE-2024-27318, CVE-2024-5187). The runtime has no onnx package, so the
protobuf message is walked here: field numbers from onnx.proto, encoding from the protobuf
specification. Unknown fields are skipped, tensor data is never copied.
"""

from __future__ import annotations

from edgecnn_runtime.errors import BundleUnreadable, ExternalData

# message → field number → message of that field; only the fields that lead to a tensor.
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MAX_DEPTH = 64


def refuse_external_data(model: bytes, name: str) -> None:
    """Refuse an ONNX message that refers to tensor data outside itself.

    Raises:
        ExternalData: a tensor refers to an external file.
        BundleUnreadable: the bytes are not a protobuf message.
    """
    try:
        is_external = _has_external_data(memoryview(model), 0, len(model), "Model", 0)
    except (IndexError, ValueError) as error:
        raise BundleUnreadable(f"{name} is not an ONNX model: {error}") from error
    if is_external:
        raise ExternalData(
            f"{name} keeps tensor data outside the bundle, which is not allowed; "
            "export it again with edgecnn, which puts all weights inside"
        )


def _has_external_data(buffer: memoryview, start: int, end: int, message: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError(f"messages nested deeper than {_MAX_DEPTH}")
    children = _MESSAGES[message]
    position = start
    while position < end:
        key, position = _varint(buffer, position, end)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(buffer, position, end)
            if message == "Tensor" and number == _DATA_LOCATION and value != 0:
                return True
        elif wire_type == 2:
            size, position = _varint(buffer, position, end)
            if size > end - position:
                raise ValueError("a field is longer than its message")
            if message == "Tensor" and number == _EXTERNAL_DATA:
                return True
            child = children.get(number)
            if child and _has_external_data(buffer, position, position + size, child, depth + 1):
                return True
            position += size
        elif wire_type in (1, 5):
            position += 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
    if position != end:
        raise ValueError("a field is longer than its message")
    return False


def _varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise ValueError("the message ends within a number")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number longer than 64 bits")
