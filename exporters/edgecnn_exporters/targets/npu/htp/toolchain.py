"""Qualcomm's toolchain: the QNN execution provider of ONNX Runtime, with its HTP simulator."""

from __future__ import annotations

from edgecnn_exporters.targets.toolchain import Toolchain

QNN = Toolchain(
    name="onnxruntime-qnn",
    purpose="compiler and simulator",
    oldest="2.5.0",
    licence="MIT and Qualcomm's own licence",
    extra="htp",
    variable="EDGECNN_QNN_PYTHON",
    size_mb=99,
    must_accept=True,
    terms="onnxruntime_qnn/Qualcomm_LICENSE.pdf in the installed package",
)
