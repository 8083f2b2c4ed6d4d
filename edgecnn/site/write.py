"""Writer of a static web page that classifies photographs with a bundle's network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.errors import SiteNotWritable
from edgecnn.site import serve
from edgecnn.site.choose import choose_artefact
from edgecnn.web.engines import WebEngine, engine_files, script_files
from edgecnn_runtime import __version__
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.printable import printable
from edgecnn_runtime.tensor_spec import TensorSpec

SCHEMA = "edgecnn.site/1"
SETTINGS = "network.json"

_HERE = Path(__file__).parent
_PAGE = ("index.html", "style.css", "app.js", "network.js", "icon.svg")
_SCRIPTS = ("engines.js", "native.js", "preprocess.js")
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_README = """A page that classifies photographs with {name}, made by edgecnn {version}.

Any web server serves these files as they are. On this machine:

    python3 serve.py

The network runs on one thread unless the page is isolated from other origins; for more, let the
server send these two headers, as serve.py does:

{headers}

The camera needs https, or this machine itself (http://127.0.0.1). Nothing is fetched from anywhere
else, and no photograph leaves the browser.
"""


@dataclass(frozen=True)
class Site:
    """A page that was written.

    Attributes:
        files: path in the folder → size in bytes.
        download_bytes: of what a visitor's browser loads, at most: the page, one build of the
            engine, the network.
    """

    folder: Path
    artefact: Artefact
    engine: WebEngine
    files: dict[str, int]
    download_bytes: int


def write_site(
    bundle_path: Path,
    folder: Path,
    *,
    precision: str | None = None,
    engine: str | None = None,
    quiet: bool = False,
) -> Site:
    """Write the page into `folder`, whole or not at all; a page of edgecnn's there is replaced.

    Args:
        precision: of the artefact; None takes the fastest that a page runs.
        engine: ``native-web``, ``litert.js`` or ``onnxruntime-web``; None takes the fastest.

    Raises:
        BundleError: the bundle cannot be trusted.
        NotForPages: it holds nothing that a page can classify a photograph with.
        FetchError: the engine's files cannot be had.
        SiteNotWritable: the folder holds other files, or cannot be written.
    """
    check_folder(folder)
    with Bundle(bundle_path) as bundle:
        bundle.check()
        artefact, chosen = choose_artefact(bundle.manifest, str(bundle_path), precision, engine)
        files = _contents(bundle, artefact, chosen, engine_files(chosen, quiet=quiet))
    _write(files, folder)
    sizes = {name: _size(content) for name, content in files.items()}
    builds = [size for name, size in sizes.items() if name.endswith(".wasm")]
    largest = sum(sizes.values()) - sum(builds) + max(builds)
    return Site(folder, artefact, chosen, sizes, largest)


def check_folder(folder: Path) -> None:
    """Check that a page may be written there.

    Raises:
        SiteNotWritable: it is a file, or a folder with files that are no page of edgecnn's.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SiteNotWritable(f"{folder} is a file, expected a folder for the page")
    if any(folder.iterdir()) and not _is_own(folder):
        raise SiteNotWritable(
            f"{folder} holds files that are no page of edgecnn's; name a new or an empty folder"
        )


def _is_own(folder: Path) -> bool:
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("schema") == SCHEMA


Content = Path | bytes


def _contents(
    bundle: Bundle, artefact: Artefact, engine: WebEngine, own_files: Mapping[str, Path]
) -> dict[str, Content]:
    model = bundle.read_artefact(artefact).model
    # Not its name in the bundle, which a stranger may have chosen: "app.js".
    name = f"model.{artefact.format}"
    settings = _settings(bundle.manifest, artefact, engine, (name, len(model)))
    page = {one: _HERE / "page" / one for one in _PAGE}
    return {
        **page,
        "index.html": _index(page["index.html"]),
        **script_files(_SCRIPTS),
        **{f"engine/{one}": path for one, path in own_files.items()},
        "serve.py": Path(serve.__file__),
        SETTINGS: _json(settings),
        "labels.json": _json(bundle.labels()),
        name: model,
        "LICENCES.txt": _licences(engine),
        "README.txt": _readme(bundle.manifest.name),
    }


def _settings(
    manifest: Manifest, artefact: Artefact, engine: WebEngine, model: tuple[str, int]
) -> dict[str, Any]:
    assert manifest.preprocess is not None
    assert manifest.postprocess is not None
    spec = manifest.preprocess
    (read,), (answer,) = manifest.inputs, manifest.outputs
    is_nhwc = artefact.layout == "NHWC"
    height, width = _image_size(read, spec.layout)
    return {
        "schema": SCHEMA,
        "name": manifest.name,
        "facts": f"{manifest.name}, {artefact.precision}, {model[1] / 1e6:.1f} MB, "
        f"{width} × {height} pixels, on {engine.library} {engine.version}",
        "library": engine.library,
        "model": {"file": model[0], "size": model[1]},
        "input": {
            "name": read.name,
            "dtype": read.dtype,
            "shape": _as_nhwc(read.shape) if is_nhwc else read.shape,
        },
        "output": {"name": answer.name},
        "preprocess": asdict(replace(spec, layout="NHWC") if is_nhwc else spec),
        "softmax": manifest.postprocess.softmax,
    }


def _image_size(read: TensorSpec, layout: str) -> tuple[int | None, int | None]:
    height, width = read.shape[2:4] if layout == "NCHW" else read.shape[1:3]
    return height, width


def _as_nhwc(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    batch, channels, height, width = shape
    return batch, height, width, channels


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def _index(path: Path) -> bytes:
    """The page, with the digest of its import map in its policy: no other script is permitted."""
    text = path.read_text(encoding="utf-8")
    found = _IMPORT_MAP.search(text)
    assert found is not None, "the page has an import map"
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    return text.replace("'IMPORT_MAP'", f"'sha256-{digest}'").encode()


def _licences(engine: WebEngine) -> bytes:
    own = (_HERE / "licences" / "Apache-2.0.txt").read_text(encoding="utf-8")
    theirs = (_HERE / "licences" / f"{engine.licence}.txt").read_text(encoding="utf-8")
    source = f"{engine.package} {engine.version} (npm)" if engine.asset else "edgecnn-native"
    about = (
        f"The files below engine/ are of {source}, unchanged.\n"
        f"{engine.origin}. Licence: {engine.licence}.\n"
        "The page itself is of edgecnn, Copyright 2026 The edgecnn authors. Licence: Apache-2.0.\n"
        "The network and its labels are under the terms of whoever made them.\n"
    )
    texts = [about, theirs] if engine.licence == "Apache-2.0" else [about, theirs, own]
    return f"\n{'-' * 79}\n\n".join(texts).encode()


def _readme(name: str) -> bytes:
    headers = "\n".join(f"    {header}: {value}" for header, value in serve.HEADERS.items())
    return _README.format(name=printable(name), version=__version__, headers=headers).encode()


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Let `new` take the place of `folder`, which goes to `old`, or stays where that fails."""
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _write(files: Mapping[str, Content], folder: Path) -> None:
    """Write beside `folder`, then take its place."""
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.absolute().parent, prefix=f".{folder.name}-"
        ) as scratch:
            new, old = Path(scratch) / "new", Path(scratch) / "old"
            for name, content in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    path.write_bytes(content)
                else:
                    shutil.copyfile(content, path)
            _exchange(new, folder, old)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SiteNotWritable(
            f"cannot write the page into {folder}: {reason}; what was there before is unchanged"
        ) from error
