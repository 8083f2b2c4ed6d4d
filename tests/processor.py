"""CPU features of the machine that runs the tests."""

from edgecnn_exporters.targets.saturation import saturates_here

# OpenVINO's products of 8-bit weights saturate on x86 without VNNI; those of 7 bits do not.
OPENVINO_WEIGHT_BITS = 7 if saturates_here() else 8
