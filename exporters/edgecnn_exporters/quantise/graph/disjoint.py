"""Disjoint sets of names: values that share one encoding."""

from __future__ import annotations


class DisjointNames:
    """Disjoint sets of value names, kept in the order of their first value."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def add(self, *names: str) -> None:
        """Join the names into one set: their values share one encoding."""
        for name in names:
            self._parents.setdefault(name, name)
            first, second = self.find(names[0]), self.find(name)
            self._parents[second] = first

    def find(self, name: str) -> str:
        """The name that stands for the set."""
        while self._parents[name] != name:
            name = self._parents[name]
        return name

    def sets(self) -> list[list[str]]:
        """All sets, in the order of their first names."""
        members: dict[str, list[str]] = {}
        for name in self._parents:
            members.setdefault(self.find(name), []).append(name)
        return list(members.values())
