"""TFLite operators that move data: slice, gather, split, concatenate, reshape, transpose."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.flatbuffer import Flatbuffer
from edgecnn_runtime.arrays import Array

BUILTIN = schema.BuiltinOperator


def cut(file: Flatbuffer, tensor: int, begin: Sequence[int], sizes: Sequence[int]) -> int:
    """SLICE: a box of the tensor."""
    result = file.like(tensor, "cut", sizes)
    bounds = [file.constant("box", np.array(numbers, np.int32)) for numbers in (begin, sizes)]
    file.operator(BUILTIN.SLICE, [tensor, *bounds], [result], schema.SliceOptionsT())
    return result


def cut_with_steps(
    file: Flatbuffer, tensor: int, begin: Sequence[int], steps: Sequence[int], sizes: Sequence[int]
) -> int:
    """STRIDED_SLICE: `sizes` elements of the tensor along each axis, `steps` apart."""
    result = file.like(tensor, "cut", sizes)
    ends = [b + n * s for b, n, s in zip(begin, sizes, steps, strict=True)]
    options = schema.StridedSliceOptionsT()
    # An end before the first number is written as no end at all.
    options.endMask = sum(1 << axis for axis, end in enumerate(ends) if end < 0)
    bounds = [
        file.constant("bounds", np.array(numbers, np.int32)) for numbers in (begin, ends, steps)
    ]
    file.operator(BUILTIN.STRIDED_SLICE, [tensor, *bounds], [result], options)
    return result


def gather(file: Flatbuffer, tensor: int, places: Array, axis: int) -> int:
    """GATHER: the tensor's elements at constant indices along one axis."""
    shape = list(file.shape(tensor))
    shape[axis] = len(places)
    result = file.like(tensor, "gathered", shape)
    options = schema.GatherOptionsT()
    options.axis = axis
    inputs = [tensor, file.constant("places", places)]
    file.operator(BUILTIN.GATHER, inputs, [result], options)
    return result


def split(file: Flatbuffer, tensor: int, parts: int, axis: int) -> list[int]:
    """SPLIT: equal parts of the tensor along that axis."""
    shape = list(file.shape(tensor))
    shape[axis] //= parts
    result = [file.like(tensor, "part", shape) for _ in range(parts)]
    options = schema.SplitOptionsT()
    options.numSplits = parts
    number = file.constant("axis", np.array(axis, np.int32))
    file.operator(BUILTIN.SPLIT, [number, tensor], result, options)
    return result


def join(file: Flatbuffer, tensors: Sequence[int], axis: int) -> int:
    """CONCATENATION: the tensors side by side along that axis."""
    shape = list(file.shape(tensors[0]))
    shape[axis] = sum(file.shape(each)[axis] for each in tensors)
    result = file.like(tensors[0], "joined", shape)
    options = schema.ConcatenationOptionsT()
    options.axis = axis
    file.operator(BUILTIN.CONCATENATION, tensors, [result], options)
    return result


def reshape(file: Flatbuffer, tensor: int, shape: Sequence[int]) -> int:
    """RESHAPE: the tensor in another shape."""
    if file.shape(tensor) == tuple(shape):
        return tensor
    assert prod(file.shape(tensor)) == prod(shape)
    return _reshaped(file, tensor, shape)


def copy(file: Flatbuffer, tensor: int) -> int:
    """RESHAPE to the same shape: the tensor's content in another one."""
    return _reshaped(file, tensor, file.shape(tensor))


def _reshaped(file: Flatbuffer, tensor: int, shape: Sequence[int]) -> int:
    result = file.like(tensor, "reshaped", shape)
    options = schema.ReshapeOptionsT()
    options.newShape = list(shape)
    sizes = file.constant("shape", np.array(shape, np.int32))
    file.operator(BUILTIN.RESHAPE, [tensor, sizes], [result], options)
    return result


def transpose(file: Flatbuffer, tensor: int, permutation: Sequence[int]) -> int:
    """TRANSPOSE: the tensor with its axes in another order, which the layout avoids elsewhere."""
    shape = file.shape(tensor)
    result = file.like(tensor, "transposed", [shape[axis] for axis in permutation])
    axes = file.constant("permutation", np.array(permutation, np.int32))
    file.operator(BUILTIN.TRANSPOSE, [tensor, axes], [result], schema.TransposeOptionsT())
    return result
