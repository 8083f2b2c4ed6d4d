"""NPU compilers: Arm Ethos-U, Qualcomm HTP, Rockchip."""
