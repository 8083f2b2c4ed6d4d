"""Binding of the C library edgecnn-native: opens a plan, runs it on numpy arrays without a copy.

    import edgecnn_native

    with edgecnn_native.Model("model.int8.plan", threads=2) as model:
        (logits,) = model.run([images])          # float32 (batch, channels, height, width)

The library is the file `LIBRARY`; its C interface is ``include/edgecnn_native.h``. It is loaded at
the first use.
"""

from edgecnn_native.library import LIBRARY, NativeError, kernels, plan_version, version
from edgecnn_native.model import Layer, Model, Tensor, memory_size
from edgecnn_native.source import freestanding_source

__all__ = [
    "LIBRARY",
    "Layer",
    "Model",
    "NativeError",
    "Tensor",
    "freestanding_source",
    "kernels",
    "memory_size",
    "plan_version",
    "version",
]
