"""Files given as a bundle that are something else: images, weights, models, text."""

from __future__ import annotations

from pathlib import Path

from edgecnn_runtime.file_kind import text_content

_BEGIN = 512
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF", b"II*\x00", b"MM\x00*")
_WEIGHTS = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".safetensors")
_ZIP = b"PK\x03\x04"
SUFFIX = ".edge"


def other_content(path: str) -> str | None:
    """What the file is instead of a bundle, in words, with the next step; None where it is unknown.

    An archive that begins as a bundle does is not judged here: None.
    """
    try:
        with Path(path).open("rb") as stream:
            begin = stream.read(_BEGIN)
    except OSError:  # as of /proc/self/mem, a file that opens and cannot be read
        return None
    if text := text_content(begin, "a bundle"):
        return text
    if begin.startswith(_IMAGES):
        return f"an image, not a bundle; the bundle comes first: edgecnn run NAME.edge {path}"
    if begin[4:8] == b"TFL3":
        return (
            "a TFLite file, not a bundle; a bundle is made of the network it came from: edgecnn "
            "export MODEL --target tflite"
        )
    if begin.startswith(b"EDGEPLAN"):
        return (
            "a plan, not a bundle; a bundle with one: edgecnn export MODEL --quantize int8 "
            f"--target native; without one: edgecnn_native.Model({path!r})"
        )
    suffix = Path(path).suffix.lower()
    if suffix in _WEIGHTS:
        return f"weights, not a bundle; make one: edgecnn export NAME --weights {path}"
    if suffix == ".onnx" and not begin.startswith(_ZIP):
        return f"an ONNX file, not a bundle; make one: edgecnn export {path}"
    return None


def near_bundle(path: str) -> str | None:
    """A bundle beside a path that does not exist, whose name is like it; None without one."""
    import difflib

    wanted = Path(path)
    try:
        names = [each.name for each in wanted.parent.iterdir() if each.suffix == SUFFIX]
    except OSError:
        return None
    name = wanted.name if wanted.suffix == SUFFIX else f"{wanted.name}{SUFFIX}"
    near = difflib.get_close_matches(name, names, 1, 0.75)
    return str(wanted.parent / near[0]) if near else None


def bundles_in(folder: str) -> list[str]:
    """Paths of the bundles in a folder, by name."""
    return sorted(str(each) for each in Path(folder).glob(f"*{SUFFIX}"))
