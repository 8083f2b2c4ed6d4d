"""Causes of a wrong node, one group a file, each confirmed by ablation: that one thing is fixed in
the node, and the node must be right after it."""
