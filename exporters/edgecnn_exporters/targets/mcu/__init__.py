"""Microcontrollers: TensorFlow Lite Micro."""
