"""Rockchip's toolchain: rknn-toolkit2, in an interpreter of its own."""

from __future__ import annotations

from edgecnn_exporters.targets.toolchain import Toolchain

RKNN = Toolchain(
    name="rknn-toolkit2",
    purpose="compiler and simulator",
    oldest="2.3.2",
    licence="Rockchip's; the package holds no licence file",
    extra=None,
    variable="EDGECNN_RKNN_PYTHON",
    size_mb=38,
    commands=(
        "docs/npu/rockchip.md has the two pip commands for an interpreter of its own; name it with "
        "--rknn-python PATH or EDGECNN_RKNN_PYTHON"
    ),
)
