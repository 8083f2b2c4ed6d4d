"""Base class of results: the table that the command prints, the document of ``--json``, HTML."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, cast

from edgecnn.errors import PackageMissing
from edgecnn.exit_codes import OK

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pandas import DataFrame

    from edgecnn.report.blocks import Block
    from edgecnn_runtime.parity.difference import Difference


def difference_columns(difference: Difference | None) -> dict[str, float | None]:
    """Columns of `Result.rows` for answers compared with the original network's."""
    return {
        "sqnr_db": None if difference is None else difference.sqnr_db,
        "top1_agreement": None if difference is None else difference.top1_agreement,
    }


class Result(ABC):
    """Result of a command. ``print`` shows what the command prints, a notebook shows it as HTML.

    A subclass is a frozen dataclass of what was computed. Its `document` is what docs/json.md
    describes: the result itself, or a dataclass of `edgecnn.documents` where the fields differ.
    """

    SCHEMA: ClassVar[str]
    """Name and version of the document, such as ``edgecnn.verify/1``."""

    @property
    def exit_code(self) -> int:
        """Exit code of the command with this result, of `edgecnn.exit_codes`."""
        return OK

    @abstractmethod
    def blocks(self) -> Sequence[Block]:
        """Tables and paragraphs of the command, in their order."""

    def document(self) -> DataclassInstance:
        """The dataclass whose fields are those of the JSON document."""
        return cast("DataclassInstance", self)

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """One flat dictionary a row of the main table: name of a column → value."""

    def to_dict(self) -> dict[str, Any]:
        """The document of ``--json``, its schema first; infinity and NaN are None."""
        from edgecnn.console import json_value

        values: dict[str, Any] = json_value(asdict(self.document()))
        return {"schema": self.SCHEMA} | values

    def to_dataframe(self) -> DataFrame:
        """The rows as a table of pandas.

        Raises:
            PackageMissing: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise PackageMissing("pandas", "to_dataframe()") from error
        return pandas.DataFrame(self.rows())

    def __init_subclass__(cls) -> None:
        # The decorator of dataclasses would write out every sample of a bench: megabytes.
        cls.__repr__ = Result.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        from edgecnn.report.blocks import text_of

        return text_of(self.blocks())

    def _repr_html_(self) -> str:
        from edgecnn.report.blocks import html_of

        return html_of(self.blocks())
