"""The networks of torchvision and timm that `benchmarks.outside.export` exports, and their inputs.

Many families, few members of each; sizes as small as the family allows. A name begins with its
package: ``tv_resnet18``, ``timm_resnet10t``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OutsideNetwork:
    """A network of another package.

    Attributes:
        builder: its name in the package; for torchvision's detectors, that of the detector.
        part: what of it is exported: ``whole``, ``body`` (a detector's backbone and heads, without
            anchors and suppression), ``backbone``, or ``features`` (timm's ``features_only``).
        size: height and width of its input in pixels.
        arguments: of the builder, beside its name.
    """

    package: str
    builder: str
    size: int
    part: str = "whole"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the factory, and of the row in the results."""
        prefix = "tv" if self.package == "torchvision" else "timm"
        return f"{prefix}_{self.builder}{'' if self.part == 'whole' else '_' + self.part}"


_NO_INIT = {"init_weights": False}
_SEGMENTATION = {"weights_backbone": None, "num_classes": 21}

_TORCHVISION = {
    96: (
        *("alexnet", "squeezenet1_0", "squeezenet1_1", "vgg11_bn"),
        *("swin_t", "swin_v2_t", "convnext_tiny"),
    ),
    64: (
        *("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121"),
        *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5"),
        *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "efficientnet_b0", "efficientnet_v2_s"),
        *("regnet_x_400mf", "regnet_y_400mf"),
        *("quantized_resnet18", "quantized_mobilenet_v2", "quantized_shufflenet_v2_x0_5"),
    ),
}
_TORCHVISION_SPECIAL = (
    OutsideNetwork("torchvision", "googlenet", 96, arguments=_NO_INIT),
    OutsideNetwork("torchvision", "inception_v3", 128, arguments=_NO_INIT),
    OutsideNetwork("torchvision", "vit_b_16", 64, arguments={"image_size": 64}),
    OutsideNetwork("torchvision", "maxvit_t", 224),
    *(
        OutsideNetwork("torchvision", name, 96, arguments=_SEGMENTATION)
        for name in (
            "fcn_resnet50",
            "deeplabv3_mobilenet_v3_large",
            "deeplabv3_resnet50",
            "lraspp_mobilenet_v3_large",
        )
    ),
)
_DETECTORS = (
    ("ssdlite320_mobilenet_v3_large", 128, ("body", "whole")),
    ("ssd300_vgg16", 300, ("body",)),
    ("retinanet_resnet50_fpn", 128, ("body",)),
    ("fcos_resnet50_fpn", 128, ("body",)),
    ("fasterrcnn_mobilenet_v3_large_fpn", 128, ("backbone",)),
)

_TIMM = {
    64: (
        *("resnet10t", "resnet26d", "seresnet18", "ecaresnet26t", "resnetblur18", "skresnet18"),
        *("resnest14d", "res2net50_26w_4s", "resnetv2_18", "nf_resnet26", "nf_regnet_b0"),
        *("eca_nfnet_l0", "gernet_s", "gcresnext26ts"),
        *("mobilenetv3_small_050", "mobilenetv4_conv_small", "mobilenetv2_050", "tf_mixnet_s"),
        *("tf_efficientnet_lite0", "tf_efficientnet_b0", "tf_efficientnetv2_b0", "mixnet_s"),
        *("tf_mobilenetv3_small_minimal_100", "efficientnet_es", "mnasnet_small", "fbnetc_100"),
        *("spnasnet_100", "lcnet_035", "tinynet_e", "hardcorenas_a", "ghostnet_100"),
        *("ghostnetv2_100", "repghostnet_050", "repvgg_a0", "mobileone_s0", "regnetx_002"),
        *("regnety_002", "regnetz_005", "dla34", "dla46_c", "ese_vovnet19b_slim_dw"),
        *("cspresnet50", "cspdarknet53", "selecsls42", "hrnet_w18_small", "dpn48b"),
        *("rexnet_100", "hgnet_tiny", "hgnetv2_b0", "tresnet_m", "efficientvit_b0"),
        *("edgenext_xx_small", "fasternet_t0", "starnet_s1", "repvit_m0_9", "inception_next_atto"),
        *("convnext_atto", "convnextv2_atto", "convmixer_768_32", "poolformer_s12"),
        *("poolformerv2_s12", "convformer_s18", "caformer_s18", "mambaout_femto", "rdnet_tiny"),
        *("pvt_v2_b0", "xception41", "legacy_seresnet18", "mobilenetv4_hybrid_medium"),
    ),
    128: (
        *("mobilevit_xxs", "mobilevitv2_050", "fastvit_t8", "legacy_xception", "inception_v4"),
        *(
            "inception_resnet_v2",
            "lambda_resnet26t",
            "efficientvit_m0",
            "shvit_s1",
            "nextvit_small",
        ),
        *("swiftformer_xs",),
    ),
    224: (
        *("efficientformer_l1", "efficientformerv2_s0", "levit_128s", "levit_conv_128s"),
        *("gcvit_xxtiny", "coatnet_nano_rw_224", "tiny_vit_5m_224"),
    ),
    256: ("bat_resnext26ts", "botnet26t_256", "halonet26t", "maxvit_rmlp_pico_rw_256"),
}
# Families whose builder takes the size of the image.
_TIMM_SIZED = {
    64: (
        *("vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "cait_xxs24_224"),
        *("eva02_tiny_patch14_224", "xcit_nano_12_p16_224", "convit_tiny", "mixer_s32_224"),
        *("gmixer_12_224",),
        *("gmlp_ti16_224", "resmlp_12_224", "visformer_tiny", "beit_base_patch16_224"),
        *("vit_relpos_small_patch16_224", "vit_small_patch16_dinov3", "volo_d1_224"),
    ),
    128: (
        *("swin_tiny_patch4_window7_224", "swinv2_cr_tiny_224", "pit_ti_224", "coat_lite_tiny"),
        *("tnt_s_patch16_224", "twins_svt_small", "focalnet_tiny_srf", "davit_tiny"),
        *("mvitv2_tiny", "nest_tiny", "hiera_tiny_224", "sequencer2d_s"),
        *("crossvit_9_240", "vitamin_small_224"),
    ),
}
_OWN_SIZE = {"eva02_tiny_patch14_224": 56, "crossvit_9_240": 240}
_NO_SIZE_ARGUMENT = ("davit_tiny", "focalnet_tiny_srf", "twins_svt_small", "crossvit_9_240")
_TIMM_FEATURES = ("mobilenetv3_small_050", "resnet10t", "hrnet_w18_small", "convnext_atto")


def _timm_sized(name: str, size: int) -> OutsideNetwork:
    size = _OWN_SIZE.get(name, size)
    arguments = {} if name in _NO_SIZE_ARGUMENT else {"img_size": size}
    return OutsideNetwork("timm", name, size, arguments=arguments)


_ALL = (
    *(
        OutsideNetwork("torchvision", name, size)
        for size, of in _TORCHVISION.items()
        for name in of
    ),
    *_TORCHVISION_SPECIAL,
    *(
        OutsideNetwork(
            "torchvision", name, size, part, {"weights_backbone": None, "num_classes": 21}
        )
        for name, size, parts in _DETECTORS
        for part in parts
    ),
    *(OutsideNetwork("timm", name, size) for size, names in _TIMM.items() for name in names),
    *(_timm_sized(name, size) for size, names in _TIMM_SIZED.items() for name in names),
    *(OutsideNetwork("timm", name, 64, "features") for name in _TIMM_FEATURES),
)
NETWORKS: dict[str, OutsideNetwork] = {network.name: network for network in _ALL}
