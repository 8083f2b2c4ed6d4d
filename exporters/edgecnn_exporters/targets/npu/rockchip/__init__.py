"""Rockchip's NPUs as compile targets: ``.rknn`` files."""
