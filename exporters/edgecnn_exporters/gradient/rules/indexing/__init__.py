"""Gradient rules of operators that take, join, repeat or surround parts of a tensor."""
