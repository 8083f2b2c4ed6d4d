"""JSON documents of ``--json``: a dataclass for each schema, which docs/json.md describes."""
