"""Arm Ethos-U: Vela compiles the integer TFLite file, Arm's TOSA reference model proves it."""
