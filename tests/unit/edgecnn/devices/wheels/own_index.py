"""Local package index in a folder, with wheels of a few bytes that pip itself reads."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest


class Index:
    """Package index for pip during a test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        monkeypatch.setenv("EDGECNN_CACHE", str(folder.with_name("cache")))

    def add(
        self,
        name: str,
        version: str,
        tag: str = "py3-none-any",
        *,
        requires: Sequence[str] = (),
        files: dict[str, bytes] | None = None,
    ) -> Path:
        """A wheel with that name; `files` are its members besides the metadata."""
        module = name.replace("-", "_")
        info = f"{module}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {one}" for one in requires]
        members = {
            **(files or {f"{module}/__init__.py": f"__version__ = {version!r}\n".encode()}),
            f"{info}/METADATA": "\n".join([*lines, "", ""]).encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in members.items()]
        members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
        path = self.folder / f"{module}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return path

    def add_leading_here(self) -> None:
        """Engines for this machine: wheels that lead to what is installed here."""
        import numpy

        site = str(Path(numpy.__file__).parents[1])
        source = (
            f"import importlib, sys; sys.path.append({site!r}); del sys.modules['numpy']\n"
            f"sys.path.remove(__file__.rpartition('/')[0].rpartition('/')[0])\n"
            "importlib.import_module('numpy')\n"
        )
        self.add("numpy", "2.4.6", files={"numpy/__init__.py": source.encode()})
        for name, version in (
            ("onnxruntime", "1.32.0"),
            ("ai-edge-litert", "2.3.0"),
            ("openvino", "2026.4.1"),
            ("edgecnn-native", "0.2.0"),
        ):
            self.add(name, version, requires=["numpy>=1.21"], files={f"{name}.txt": b""})
        self.add("numpy", "1.26.4", files={"numpy/__init__.py": source.encode()})
        self.add("tflite-runtime", "2.14.0", requires=["numpy<2"], files={"tflite.txt": b""})

    def add_engines(self, glibc: int = 17, machine: str = "aarch64", python: str = "311") -> None:
        """NumPy 1 and 2, and the five engines, for one machine."""
        tag = f"cp{python}-cp{python}-manylinux_2_{glibc}_{machine}"
        self.add("numpy", "1.26.4", tag)
        self.add("numpy", "2.4.6", tag)
        self.add("onnxruntime", "1.32.0", tag, requires=["numpy>=1.21", "flatbuffers"])
        self.add("ai-edge-litert", "2.3.0", tag, requires=["numpy>=1.23", "flatbuffers"])
        self.add("openvino", "2026.4.1", tag, requires=["numpy<2.6,>=1.16"])
        self.add("tflite-runtime", "2.14.0", tag, requires=["numpy>=1.23"])
        own = f"py3-none-manylinux_2_{glibc}_{machine}"
        self.add("edgecnn-native", "0.2.0", own, requires=["numpy<3,>=1.26"])
        self.add("flatbuffers", "25.1")


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
