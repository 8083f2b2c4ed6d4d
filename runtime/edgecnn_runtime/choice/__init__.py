"""The fastest artefact and engine of a bundle on this machine: measured ones, else a stated order.

docs/engines.md has the rules. Records here are named tuples: an app pays for each class when it
starts, and for a dataclass seven times as much.
"""
