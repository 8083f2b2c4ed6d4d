"""A page prepares images as the runtime does, in the real browser."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from browser.real import real_browser
from PIL import Image

from edgecnn.web.engines import script_files
from edgecnn.web.page import Page, open_page
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

BROWSER = real_browser()
PHOTOGRAPHS = Path(__file__).parents[2] / "exporters/edgecnn_exporters/photographs"
HERE = Path(__file__).parent
FILES = {
    **{name: HERE / name for name in ("pictures.html", "pictures.js")},
    **script_files(("preprocess.js", "serve.js", "messages.js", "engines.js", "native.js")),
}
SPECS = {
    "crop": Preprocess(
        "RGB", 256, "bilinear", (224, 224), 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ),
    "stretch": Preprocess(
        "BGR", (37, 53), "bicubic", None, 1.0, (103.9, 116.8, 123.7), (58.0, 57.0, 57.0), "NHWC"
    ),
    "pad": Preprocess("L", 28, "bilinear", (41, 34), 1 / 255, (0.1307,), (0.3081,)),
    "as it is": Preprocess("RGB", None, "bilinear", (33, 35), 1 / 127.5, (1.0,) * 3, (1.0,) * 3),
}


def noise(mode: str, height: int, width: int, channels: int) -> bytes:
    """A PNG of random levels: the hardest image to resize alike."""
    levels = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels.squeeze(), mode).save(stream, "png")
    return stream.getvalue()


def turned() -> bytes:
    """A photograph whose EXIF says that it lies on its side."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x112] = 6
    Image.open(PHOTOGRAPHS / "coffee.jpg").save(stream, "jpeg", exif=exif)
    return stream.getvalue()


PICTURES: dict[str, Callable[[], bytes]] = {
    **{path.stem: path.read_bytes for path in sorted(PHOTOGRAPHS.glob("*.jpg"))},
    "grey, odd sizes": lambda: noise("L", 67, 301, 1),
    "transparent": lambda: noise("RGBA", 201, 99, 4),
    "enlarged": lambda: noise("RGB", 3, 5, 3),
    "high": lambda: noise("RGB", 700, 31, 3),
    "turned": turned,
}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_page(BROWSER, FILES, "pictures.html") as page:
        yield page


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_every_value_is_the_runtime_s_within_a_grey_level(
    page: Page, picture: Callable[[], bytes], spec: Preprocess
) -> None:
    file = picture()
    expected = preprocess(load_image(file), spec)
    request = {"do": "prepare", "spec": asdict(spec)}
    _, answer = page.ask(request, {"file": np.frombuffer(file, np.uint8)}, timeout_s=60)
    actual = answer["input"]
    assert actual.shape == expected.shape
    std = np.reshape(spec.std, (-1, 1, 1) if spec.layout == "NCHW" else (1, 1, -1))
    levels = np.abs(actual - expected) * std / spec.scale
    assert levels.max() <= 1.001
    # Nearly everywhere they are the same: what differs is the last bit of a weight.
    assert (levels > 0.5).mean() < 0.001
