"""The fastest artefact and engine of a bundle on this machine: measured ones, else a stated order.

docs/engines.md has the rules.
"""
