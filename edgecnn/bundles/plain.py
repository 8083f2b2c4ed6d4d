"""Plain model files as bundles without golden examples, for as long as a command needs them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecnn.bundles.read_model import is_model_file, read_model_file
from edgecnn.errors import FileUnusable
from edgecnn_exporters.scratch import scratch_folder
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.text import encodable
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.tensor_spec import DTYPES, TensorSpec

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 100


@contextlib.contextmanager
def as_bundles(
    paths: Sequence[Path | None], budget: Budget | None = None
) -> Iterator[list[Path | None]]:
    """Bundles for the paths: those that are bundles as they are, plain files wrapped as one.

    A wrapped file keeps its name, in a folder that is removed at the end. Its bundle has no golden
    examples, so that no answer of it counts as proven.

    Raises:
        BundleError: a plain file cannot be trusted.
        FileUnusable: it has inputs of no fixed size, or of types that no bundle holds.
    """
    with contextlib.ExitStack() as stack:
        made: list[Path | None] = []
        for path in paths:
            if path is None or not is_model_file(path):
                made.append(path)
                continue
            folder = stack.enter_context(scratch_folder())
            made.append(_wrap(path, folder / path.name, budget))
        yield made


def artefact_name(path: Path) -> str:
    """The file's name as a path in a bundle."""
    stem = _UNSAFE.sub("_", path.stem)[:_LONGEST].strip("._-")
    return f"{stem or 'model'}{path.suffix.lower()}"


def _wrap(path: Path, output: Path, budget: Budget | None) -> Path:
    model, content = read_model_file(path, budget)
    name = artefact_name(path)
    manifest = Manifest(
        name=encodable(path.stem),
        inputs=_checked(path, model.inputs, is_input=True),
        outputs=_checked(path, model.outputs, is_input=False),
        artefacts=(Artefact(name, model.format, model.precision, "compiled only"),),
        files={},
    )
    write_bundle(output, manifest, {name: content})
    return output


def _checked(
    path: Path, specs: tuple[TensorSpec, ...], *, is_input: bool
) -> tuple[TensorSpec, ...]:
    """The inputs or outputs; a free extent that no bundle has is refused in an input.

    Raises:
        FileUnusable: nothing can be fed.
    """
    if not specs:
        raise FileUnusable(f"{path} has no {'input' if is_input else 'output'}")
    for spec in specs:
        if spec.dtype not in DTYPES:
            raise FileUnusable(
                f"{path}: {spec} is of a type that is not supported, expected one of "
                f"{', '.join(sorted(DTYPES))}"
            )
        if is_input and None in spec.shape[1:]:
            raise FileUnusable(
                f"{path}: the input {spec} has a free size (N) behind its batch, so that nothing "
                "can be fed; write the file again with fixed sizes"
            )
    return specs
