"""Operators of TensorFlow Lite Micro, and the methods of its MicroMutableOpResolver that add them.

The list is that of micro_mutable_op_resolver.h of August 2026. `DYNAMIC_UPDATE_SLICE` and the like
are in it although few networks have them: a firmware links only what a network uses.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn_exporters.errors import CompilerFailed

_NAMES = """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND
    BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE
    DEPTHWISE_CONV_2D DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS
    FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH
    IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR
    LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD
    PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE
    STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK
    VAR_HANDLE WHILE ZEROS_LIKE
"""
OPERATORS = frozenset(_NAMES.split())
# Where the method is not the operator's name in title case.
_IRREGULAR = {
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONV_2D": "AddConv2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "L2_POOL_2D": "AddL2Pool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}


def resolver_methods(network: str, operators: Iterable[str]) -> tuple[str, ...]:
    """Methods of MicroMutableOpResolver that a firmware calls for `operators`, in their order.

    Raises:
        CompilerFailed: TensorFlow Lite Micro has no kernel for one.
    """
    names = tuple(dict.fromkeys(operators))
    lacking = [name for name in names if name not in OPERATORS]
    if lacking:
        raise CompilerFailed(
            f"{network} has {', '.join(lacking)}, which TensorFlow Lite Micro has no kernel for; "
            "build the network from other operators and export it again"
        )
    return tuple(map(_method, names))


def _method(operator: str) -> str:
    title = "".join(word.capitalize() for word in operator.split("_"))
    return _IRREGULAR.get(operator, f"Add{title}")
