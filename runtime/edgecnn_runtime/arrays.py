"""Type aliases of numpy arrays, by element type. Shapes stand in the docstrings."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Float32 = np.ndarray[Any, np.dtype[np.float32]]
Float64 = np.ndarray[Any, np.dtype[np.float64]]
Floating = np.ndarray[Any, np.dtype[np.floating[Any]]]
Int8 = np.ndarray[Any, np.dtype[np.int8]]
Int32 = np.ndarray[Any, np.dtype[np.int32]]
Int64 = np.ndarray[Any, np.dtype[np.int64]]
UInt8 = np.ndarray[Any, np.dtype[np.uint8]]
