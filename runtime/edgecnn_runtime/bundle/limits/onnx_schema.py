"""Fields of ONNX's protobuf messages, as far as they lead to tensors and nodes (ONNX 1.23).

Types, names and notes of values are not looked into when a model is checked: their fields are bytes
then. `TYPE` and what is in it serves to change a shape.
"""

from __future__ import annotations

from edgecnn_runtime.bundle.limits.protobuf import FieldType

_INT, _INTS = FieldType(0), FieldType(0, is_repeated=True)
_DATA, _DATAS = FieldType(2), FieldType(2, is_repeated=True)
_FLOAT, _FLOATS = FieldType(5), FieldType(5, is_repeated=True)

MODEL = {
    **dict.fromkeys((1, 5), _INT),
    **dict.fromkeys((2, 3, 4, 6, 7), _DATA),
    **dict.fromkeys((8, 14, 20, 25, 26), _DATAS),
}
TRAINING = {1: _DATA, 2: _DATA, 3: _DATAS, 4: _DATAS}
FUNCTION = {
    **dict.fromkeys((1, 8, 10, 13), _DATA),
    **dict.fromkeys((4, 5, 6, 7, 9, 11, 12, 14), _DATAS),
}
GRAPH = {**dict.fromkeys((2, 10), _DATA), **dict.fromkeys((1, 5, 11, 12, 13, 14, 15, 16), _DATAS)}
NODE = {**dict.fromkeys((3, 4, 6, 7, 8), _DATA), **dict.fromkeys((1, 2, 5, 9, 10), _DATAS)}
ATTRIBUTE = {
    **dict.fromkeys((3, 20), _INT),
    **{2: _FLOAT, 7: _FLOATS, 8: _INTS},
    **dict.fromkeys((1, 4, 5, 6, 13, 14, 21, 22), _DATA),
    **dict.fromkeys((9, 10, 11, 15, 23), _DATAS),
}
VALUE_INFO = {1: _DATA, 2: _DATA, 3: _DATA, 4: _DATAS}
TYPE = dict.fromkeys((1, 4, 5, 6, 7, 8, 9), _DATA)
TENSOR_TYPE = {1: _INT, 2: _DATA}
SHAPE = {1: _DATAS}
ENTRY = {1: _DATA, 2: _DATA}
SPARSE_TENSOR = {1: _DATA, 2: _DATA, 3: _INTS}
TENSOR = {
    **{1: _INTS, 2: _INT, 14: _INT},
    **{4: _FLOATS, 5: _INTS, 7: _INTS, 10: FieldType(1, is_repeated=True), 11: _INTS},
    **dict.fromkeys((3, 8, 9, 12), _DATA),
    **dict.fromkeys((6, 13, 16), _DATAS),
}
# Fields of an attribute that hold its value; a serialiser writes one of them.
ATTRIBUTE_VALUES = frozenset(ATTRIBUTE) - {1, 13, 20, 21}
