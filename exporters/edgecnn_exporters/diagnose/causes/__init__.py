"""Causes of a wrong node, one group a file, each confirmed by ablation: mend that one thing in the
node, and see whether it is right then."""
