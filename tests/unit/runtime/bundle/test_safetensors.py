from __future__ import annotations

import numpy as np
import safetensors.numpy

from edgecnn_runtime.bundle.safetensors import read_safetensors, write_safetensors

TENSORS = {
    "weight": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "scalar": np.array(-5),
    "é": np.array([[1], [2]], np.uint8),
    "half": np.array([0.5, -2], np.float16),
    "bias": np.array([1 << 30], np.int32),
    "tiny": np.array([-128, 127], np.int8),
}


def test_the_reference_implementation_reads_what_is_written() -> None:
    read = safetensors.numpy.load(write_safetensors(TENSORS))
    assert read.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_what_the_reference_implementation_writes_is_read() -> None:
    contiguous = {name: np.array(array, order="C") for name, array in TENSORS.items()}
    read = read_safetensors(safetensors.numpy.save(contiguous, metadata={"made": "by hand"}))
    assert read.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].flags.writeable


def test_the_order_of_the_tensors_changes_no_byte() -> None:
    backwards = dict(reversed(TENSORS.items()))
    assert write_safetensors(TENSORS) == write_safetensors(backwards)


def test_every_tensor_is_aligned_to_its_numbers() -> None:
    content = write_safetensors(TENSORS)
    position = 8 + int.from_bytes(content[:8], "little")
    for array in read_safetensors(content).values():
        assert position % array.itemsize == 0
        position += array.nbytes
