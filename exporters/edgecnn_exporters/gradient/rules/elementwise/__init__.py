"""Gradient rules of operators that compute every element of their result alone."""
