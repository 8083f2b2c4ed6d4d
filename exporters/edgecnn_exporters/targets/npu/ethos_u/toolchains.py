"""Arm's tools: Vela, which compiles, and those of TOSA, which prove."""

from __future__ import annotations

from dataclasses import replace

from edgecnn_exporters.targets.toolchain import Toolchain

VELA = Toolchain(
    name="ethos-u-vela",
    purpose="compiler",
    # 5.0 names operators on the CPU in another form.
    oldest="5.1.0",
    licence="Apache-2.0",
    extra="ethos-u",
    variable="EDGECNN_VELA_PYTHON",
    size_mb=2,
)
VARIABLE = "EDGECNN_TOSA_PYTHON"
CONVERTER = Toolchain(
    name="tosa-converter-for-tflite",
    purpose="converter, for the proof",
    oldest="2026.2.0",
    licence="Apache-2.0",
    # Its companion pins NumPy and FlatBuffers: an interpreter of their own.
    extra=None,
    variable=VARIABLE,
    size_mb=25,
    commands=(
        "python3 -m venv tosa && tosa/bin/pip install tosa-tools tosa-converter-for-tflite, then "
        f"{VARIABLE}=tosa/bin/python"
    ),
)
REFERENCE_MODEL = replace(
    CONVERTER, name="tosa-tools", purpose="reference model", oldest="2026.8.0", size_mb=27
)
