"""Firmware with a plan and the portable C library of edgecnn-native: no framework on the board."""
