"""Output of an export: the path of the bundle."""

from __future__ import annotations

from pathlib import Path

from edgecnn.bundles.replacement import MODEL_SUFFIXES, SUFFIX
from edgecnn_exporters.atomic import check_writable
from edgecnn_exporters.errors import OutputNotWritable


def output_path(output: Path | None, name: str) -> Path:
    """The path of the bundle: `output`, NAME.edge in it where it is a folder, or NAME.edge here.

    Raises:
        OutputNotWritable: it is a model's file or a folder that is not there, or not writable.
    """
    path = Path(f"{name}{SUFFIX}") if output is None else output
    if path.is_dir():
        path = path / f"{name}{SUFFIX}"
    suffix = path.suffix.lower()
    if suffix in MODEL_SUFFIXES:
        bundle = path.with_suffix(SUFFIX)
        raise OutputNotWritable(
            f"cannot write {path}: an export writes a bundle, which holds the {suffix} file; give "
            f"-o {bundle}, then: edgecnn bundle extract {bundle} -o DIR"
        )
    if not suffix and not path.exists():
        raise OutputNotWritable(
            f"cannot write {path}: it is neither NAME{SUFFIX} nor a folder that is there; give "
            f"-o {path}{SUFFIX}, or mkdir {path} first"
        )
    check_writable(path)
    return path
