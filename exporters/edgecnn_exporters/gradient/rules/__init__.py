"""Gradient rules, one small file a family of operators; `gradient.table` lists them by operator."""
