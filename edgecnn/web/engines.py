"""The engines that run in a web page: formats, versions, files, licences.

The files of LiteRT.js and ONNX Runtime Web come from their npm packages, by digest: from the
content network that both document, or else by npm itself. Nothing is installed and no npm is needed
where the first can be reached. The file of the native engine is in the package edgecnn-native.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from edgecnn.errors import FetchError
from edgecnn.fetch import cached, fetch
from edgecnn.fetch.catalogue import Asset, File, Package, Url
from edgecnn_runtime import __version__

Accelerator = Literal["wasm", "webgpu"]
Library = Literal["native-web", "litert.js", "onnxruntime-web"]

NATIVE: Final = "native-web"
NATIVE_FILE = "edgecnn_native.wasm"
NATIVE_INSTALL = "pip install edgecnn-native, or in a clone: python native/compile.py"

_SCRIPTS = Path(__file__).parent / "scripts"
_ORT, _LITERT, _WASM_UTILS = (
    *("onnxruntime-web@1.30.0", "@litertjs/core@2.5.3", "@litertjs/wasm-utils@2.5.3"),
)
# sha256, size in bytes, npm package, path in it, name here.
_ORT_WASM = f"""
219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b    50126 {_ORT} dist/ort.wasm.min.mjs
e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b    24381 {_ORT} dist/ort-wasm-simd-threaded.mjs
3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2 14239897 {_ORT} dist/ort-wasm-simd-threaded.wasm
"""  # noqa: E501 -- a file a line
_ORT_WEBGPU = f"""
3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0    66349 {_ORT} dist/ort.webgpu.min.mjs
3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28    53057 {_ORT} dist/ort-wasm-simd-threaded.asyncify.mjs
39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da 26781914 {_ORT} dist/ort-wasm-simd-threaded.asyncify.wasm
"""  # noqa: E501 -- a file a line
_LITERT_WASM = f"""
e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3    53482 {_LITERT} dist/index.js litert.js
68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb   273035 {_LITERT} wasm/litert_wasm_internal.js
7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614  9367934 {_LITERT} wasm/litert_wasm_internal.wasm
92fe7a720c6deedaa1194c011c79a005ea4f6fc98f533b661cf7900760ab4849   317475 {_LITERT} wasm/litert_wasm_threaded_internal.js
b5e54eca10f043497edf9a02186332707cae260c550d7ea22b2cae55669596cf  9445834 {_LITERT} wasm/litert_wasm_threaded_internal.wasm
4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5   273246 {_LITERT} wasm/litert_wasm_compat_internal.js
5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c  9334181 {_LITERT} wasm/litert_wasm_compat_internal.wasm
e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2     1494 {_WASM_UTILS} dist/index.js wasm-utils.js
"""  # noqa: E501 -- a file a line


def _asset(name: str, listing: str, licence: str, origin: str) -> Asset:
    files = []
    for line in listing.strip().splitlines():
        sha256, size, package, path, *renamed = line.split()
        sources = (
            Url(f"https://cdn.jsdelivr.net/npm/{package}/{path}"),
            Package("npm", package, f"package/{path}"),
        )
        own_name = renamed[0] if renamed else Path(path).name
        files.append(File(own_name, int(size), sha256, sources))
    return Asset(name, tuple(files), licence, origin)


_ORT_ORIGIN = "Microsoft, ONNX Runtime Web 1.30.0"
ASSETS = {
    asset.name: asset
    for asset in (
        _asset("onnxruntime-web", _ORT_WASM, "MIT", _ORT_ORIGIN),
        _asset("onnxruntime-webgpu", _ORT_WEBGPU, "MIT", _ORT_ORIGIN),
        _asset("litert.js", _LITERT_WASM, "Apache-2.0", "Google, LiteRT.js 2.5.3"),
    )
}
"""The engines' files, for `fetch`."""


@dataclass(frozen=True)
class WebEngine:
    """An engine that runs in a web page.

    Attributes:
        name: as after ``--engine`` and in the tables.
        library: what the page imports.
        format: of the artefacts that it opens.
        asset: of its files, in `ASSETS`; None where they are not fetched.
        package: its npm package, or its file in a Python distribution.
        has_threads: whether it runs on more than one thread.
    """

    name: str
    library: Library
    accelerator: Accelerator
    version: str
    format: str
    asset: str | None
    package: str
    has_threads: bool = True

    @property
    def licence(self) -> str:
        """SPDX name of its licence."""
        return ASSETS[self.asset].licence if self.asset else "Apache-2.0"

    @property
    def origin(self) -> str:
        """Who publishes it."""
        return ASSETS[self.asset].origin if self.asset else "The edgecnn authors, edgecnn-native"


def _engine(name: str, package: str, format: str, accelerator: Accelerator) -> WebEngine:
    library: Library
    library = "onnxruntime-web" if package == "onnxruntime-web" else "litert.js"
    is_ort_gpu = library == "onnxruntime-web" and accelerator == "webgpu"
    asset = "onnxruntime-webgpu" if is_ort_gpu else library
    version = (_ORT if library == "onnxruntime-web" else _LITERT).rpartition("@")[2]
    return WebEngine(name, library, accelerator, version, format, asset, package)


WEB_ENGINES = {
    engine.name: engine
    for engine in (
        WebEngine(
            NATIVE, "native-web", "wasm", __version__, "plan", None, NATIVE_FILE, has_threads=False
        ),
        _engine("litert.js", "@litertjs/core", "tflite", "wasm"),
        _engine("onnxruntime-web", "onnxruntime-web", "onnx", "wasm"),
        _engine("litert.js-webgpu", "@litertjs/core", "tflite", "webgpu"),
        _engine("onnxruntime-webgpu", "onnxruntime-web", "onnx", "webgpu"),
    )
}
"""By name; those of the processor first."""


def web_packages() -> dict[str, str]:
    """Package of an engine → name of its engine of the processor."""
    return {one.package: one.name for one in WEB_ENGINES.values() if not is_on_gpu(one.name)}


def is_on_gpu(name: str) -> bool:
    """Whether the engine of that name is one of a page that runs on the GPU."""
    return name in WEB_ENGINES and WEB_ENGINES[name].accelerator == "webgpu"


def has_threads(name: str) -> bool:
    """Whether the engine of that name, of a page or another one, runs on more than one thread."""
    return name not in WEB_ENGINES or WEB_ENGINES[name].has_threads


def native_file() -> Path | None:
    """The module of the native engine, which wheels of edgecnn-native hold; None without it."""
    spec = find_spec("edgecnn_native")
    folders = (spec and spec.submodule_search_locations) or ()
    return next((path for one in folders if (path := Path(one, NATIVE_FILE)).is_file()), None)


def engine_files(engine: WebEngine, *, quiet: bool = True) -> dict[str, Path]:
    """Name → path of an engine's files, fetched unless they are there and sound.

    Raises:
        FetchError: they cannot be had.
    """
    if engine.asset is None:
        path = native_file()
        if path is None:
            raise FetchError(
                f"{NATIVE_FILE}, the engine {engine.name}, is missing; {NATIVE_INSTALL}"
            )
        return {NATIVE_FILE: path}
    folder = fetch(engine.asset, quiet=quiet, catalogue=ASSETS)
    return {file.name: folder / file.name for file in ASSETS[engine.asset].files}


def script_files(names: Iterable[str]) -> dict[str, Path]:
    """Name → path of our own modules for pages."""
    return {name: _SCRIPTS / name for name in names}


def download_bytes(engines: Iterable[WebEngine]) -> int:
    """Bytes that would have to be fetched for some engines."""
    assets = {engine.asset for engine in engines if engine.asset}
    return sum(
        file.size_bytes
        for name in assets
        if cached(name, catalogue=ASSETS) is None
        for file in ASSETS[name].files
    )
