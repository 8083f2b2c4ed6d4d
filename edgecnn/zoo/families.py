"""The table of the zoo: every family, its paper, and its networks by name."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.zoo.architecture import CIFAR, IMAGENET, MNIST, Architecture, Family

_SCALABLE = ("classes", "width", "depth", "stem")
_LABELS = "imagenet.txt"


def _imagenet(
    name: str,
    target: str,
    *,
    options: tuple[str, ...] = _SCALABLE,
    side: int = 224,
    resize: int | None = None,
    published: bool = False,
    **arguments: float | bool | str,
) -> Architecture:
    """A network for photographs; `resize` is the shorter side before the crop of `side`."""
    preprocess = replace(IMAGENET, crop=(side, side), resize=resize or round(side * 256 / 224))
    return Architecture(
        name=name,
        target=f"edgecnn.zoo.{target}",
        input=(3, side, side),
        classes=1000,
        preprocess=preprocess,
        arguments=arguments,
        options=options,
        weights={"imagenet": f"{name}-imagenet"} if published else {},
        labels=_LABELS,
    )


def _cifar(name: str, target: str, **arguments: float | bool | str) -> Architecture:
    """A network that its paper made for CIFAR-10."""
    return Architecture(
        name=name,
        target=f"edgecnn.zoo.{target}",
        input=(3, 32, 32),
        classes=10,
        preprocess=CIFAR,
        arguments=arguments,
        options=("classes", "width", "depth"),
        labels="cifar10.txt",
    )


def _lenet(name: str) -> Architecture:
    return Architecture(
        name=name,
        target=f"edgecnn.zoo.lenet5:{name}",
        input=(1, 28, 28),
        classes=10,
        preprocess=MNIST,
        options=("classes", "width", "stem"),
    )


def _bicubic(architecture: Architecture) -> Architecture:
    preprocess = replace(architecture.preprocess, filter="bicubic")
    return replace(architecture, preprocess=preprocess)


def _lite(number: int, side: int) -> Architecture:
    own = _imagenet(
        f"efficientnet_lite{number}",
        "efficientnet_lite:efficientnet_lite",
        side=side,
        published=number < 3,  # the weights of Lite3 and Lite4 are in no registry
        number=number,
    )
    return replace(
        own,
        # (x - 127) / 128, after a margin of 16 pixels on each side.
        preprocess=replace(
            own.preprocess,
            resize=side + 32,
            filter="bicubic",
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
        ),
        converter="edgecnn.zoo.efficientnet_lite:from_published",
    )


# Sides of B0 to B7 and of the shorter side before the crop, as torchvision's weights want them.
_EFFICIENTNET_SIDES = {0: (224, 256), 1: (240, 256), 2: (288, 288), 3: (300, 320)} | {
    4: (380, 384),
    5: (456, 456),
    6: (528, 528),
    7: (600, 600),
}

_PLAIN = ("classes", "width", "stem")

FAMILIES: tuple[Family, ...] = (
    Family(
        "LeNet",
        1998,
        "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
        (_lenet("lenet5"), _lenet("lenet5_relu")),
    ),
    Family(
        "AlexNet",
        2012,
        "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks",
        (
            _imagenet("alexnet", "alexnet:alexnet", options=_PLAIN),
            _imagenet("alexnet_2012", "alexnet:alexnet_2012", options=_PLAIN),
        ),
    ),
    Family(
        "VGG",
        2014,
        "Simonyan and Zisserman 2015, Very Deep Convolutional Networks",
        tuple(
            _imagenet(f"vgg{layers}{'_bn' * bn}", "vgg:vgg", layers=layers, has_batch_norm=bool(bn))
            for bn in (0, 1)
            for layers in (11, 13, 16, 19)
        ),
    ),
    Family(
        "GoogLeNet",
        2014,
        "Szegedy et al. 2015, Going Deeper with Convolutions",
        (
            replace(
                _imagenet("googlenet", "googlenet:googlenet", options=_PLAIN),
                # torchvision's weights want -1…1, not ImageNet's mean and deviation.
                preprocess=replace(IMAGENET, mean=(0.5,) * 3, std=(0.5,) * 3),
            ),
        ),
    ),
    Family(
        "ResNet",
        2015,
        "He et al. 2016, Deep Residual Learning for Image Recognition",
        (
            *(
                _imagenet(f"resnet{layers}", "resnet:resnet", layers=layers)
                for layers in (18, 34, 50, 101, 152)
            ),
            # MLPerf Tiny (Banbury et al. 2021): image classification.
            _cifar("resnet8", "resnet:cifar_resnet", layers=8, shortcut="convolution"),
            *(
                _cifar(f"resnet{layers}", "resnet:cifar_resnet", layers=layers)
                for layers in (20, 32, 44, 56, 110, 1202)
            ),
        ),
    ),
    Family(
        "DenseNet",
        2016,
        "Huang et al. 2017, Densely Connected Convolutional Networks",
        (
            *(
                replace(
                    _imagenet(f"densenet{layers}", "densenet:densenet", layers=layers),
                    converter="edgecnn.zoo.densenet:from_published",
                )
                for layers in (121, 161, 169, 201)
            ),
            _cifar("densenet40", "densenet:cifar_densenet", layers=40),
            _cifar("densenet100", "densenet:cifar_densenet", layers=100),
            _cifar("densenet100_bc", "densenet:cifar_densenet", layers=100, is_bottleneck=True),
        ),
    ),
    Family(
        "MobileNetV1",
        2017,
        "Howard et al. 2017, MobileNets: Efficient Convolutional Neural Networks",
        (_imagenet("mobilenet_v1", "mobilenet_v1:mobilenet_v1", options=_PLAIN),),
    ),
    Family(
        "MobileNetV2",
        2018,
        "Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        (_imagenet("mobilenet_v2", "mobilenet_v2:mobilenet_v2", options=_PLAIN, published=True),),
    ),
    Family(
        "MobileNetV3",
        2019,
        "Howard et al. 2019, Searching for MobileNetV3",
        (
            _imagenet("mobilenet_v3_small", "mobilenet_v3:mobilenet_v3_small", options=_PLAIN),
            _imagenet("mobilenet_v3_large", "mobilenet_v3:mobilenet_v3_large", options=_PLAIN),
        ),
    ),
    Family(
        "EfficientNet",
        2019,
        "Tan and Le 2019, EfficientNet: Rethinking Model Scaling",
        (
            *(
                _bicubic(
                    _imagenet(
                        f"efficientnet_b{number}",
                        "efficientnet:efficientnet_b",
                        side=side,
                        resize=resize,
                        number=number,
                    )
                )
                for number, (side, resize) in _EFFICIENTNET_SIDES.items()
            ),
            _bicubic(
                _imagenet(
                    "efficientnet",
                    "efficientnet:efficientnet_phi",
                    options=("classes", "phi", "stem"),
                )
            ),
        ),
    ),
    Family(
        "EfficientNet-Lite",
        2020,
        "Liu 2020, Higher accuracy on vision models with EfficientNet-Lite",
        tuple(_lite(number, side) for number, side in enumerate((224, 240, 260, 280, 300))),
    ),
)
