"""Identity of an engine that ran: name, version, package; its form in text and JSON.

Needs no numpy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgecnn_runtime.engines import package_of
from edgecnn_runtime.engines.table import ENGINES, PACKAGES

if TYPE_CHECKING:
    from edgecnn_runtime.engines.protocol import Engine


@dataclass(frozen=True)
class EngineId:
    """Name, version and package of an engine that ran.

    Attributes:
        name: of the engine.
        version: empty where it did not run.
        package: its name for pip; empty where none is known.
    """

    name: str
    version: str = ""
    package: str = ""

    @property
    def full_version(self) -> str:
        """The version, and the module where the engine has several packages.

        For example ``2.3.0 (ai_edge_litert)``.
        """
        entry = ENGINES.get(self.name)
        if entry is None or len(entry.packages) < 2 or self.package not in PACKAGES:
            return self.version
        return f"{self.version} ({PACKAGES[self.package].module})"

    @property
    def label(self) -> str:
        """The field ``engine`` of JSON documents, such as ``tflite 2.3.0 (ai_edge_litert)``."""
        return f"{self.name} {self.full_version}".rstrip()

    def words(self) -> str:
        """Name and version for a person; the package's name if it is not the preferred one."""
        entry = ENGINES.get(self.name)
        is_other = entry is not None and self.package in entry.package_names[1:]
        return f"{self.package if is_other else self.name} {self.version}".rstrip()


def engine_id(kind: type[Engine]) -> EngineId:
    """The identity of an engine that is installed; imports its package.

    Raises:
        EngineUnavailable: it is not installed, or does not load.
    """
    version = kind.version()
    package = getattr(kind, "package", None)
    return EngineId(kind.name, version, package_of(kind.name) if package is None else package())


def engine_fields(engine: EngineId | None) -> dict[str, Any]:
    """JSON fields that name an engine: ``engine``, its label, and ``engine_id``, its parts."""
    if engine is None:
        return {"engine": "", "engine_id": None}
    return {"engine": engine.label, "engine_id": asdict(engine)}


def engine_from_fields(fields: Mapping[str, Any]) -> EngineId | None:
    """The engine that `engine_fields` wrote; None where the fields name none.

    Results from before ``engine_id`` existed have the label alone, whose form is fixed.
    """
    if fields.get("engine_id") is not None:
        return EngineId(**fields["engine_id"])
    label = re.fullmatch(r"(\S+)(?: (.+?))?(?: \((\w+)\))?", fields.get("engine", ""))
    if label is None:
        return None
    name, version, module = label[1], label[2] or "", label[3]
    packages = ENGINES[name].packages if name in ENGINES and version else ()
    if module is not None:
        packages = tuple(package for package in packages if package.module == module)
    return EngineId(name, version, packages[0].name if len(packages) == 1 else "")
