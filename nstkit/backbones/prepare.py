"""A backbone as the user wants it: loaded by its name, then layers swapped, its pooling, padding and colours set."""

from collections.abc import Iterable

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.load import load_as_is
from nstkit.backbones.spec import BackboneSpec, Padding, Pooling, Preprocess, parse_backbone
from nstkit.backbones.surgery import set_padding, set_pooling, set_preprocess
from nstkit.backbones.swap import swap_from_text


def load_backbone(
    spec: str | BackboneSpec,
    *,
    pooling: Pooling = "max",
    padding: Padding = "zero",
    preprocess: Preprocess = "own",
    swap: Iterable[str] = (),
    factory: str | None = None,
) -> Backbone:
    """Return the extractor that `spec` names (see `nstkit.backbones.spec`), on the CPU.

    The global random state stays as it is: random weights depend on the seed in `spec` alone.

    Args:
        spec: such as `ckpt.pt`, `vgg19`, `vgg19@random:3`, `resnet50.a1_in1k`, `vgg19@weights.safetensors`.
        pooling: what replaces the network's max pooling; see `nstkit.backbones.surgery`.
        padding: what replaces the zeros around the maps of its convolutions.
        preprocess: `own`, or what replaces the weights' own normalisation of the picture.
        swap: texts TAP..TAP@WEIGHTS, layers that other weights are put into; see `nstkit.backbones.swap`.
        factory: `package.module:function` that made a checkpoint's network; runs only if that names it too.

    Raises:
        UserError: for an unknown name, weights that are missing, corrupt or do not fit, or a checkpoint whose factory
            was not given.

    Example:
        >>> backbone = load_backbone("carried", pooling="avg")
        >>> backbone.content_taps
        ('relu4_2',)
    """
    spec = parse_backbone(spec) if isinstance(spec, str) else spec
    backbone = load_as_is(spec, factory=factory)
    for text in swap:
        swap_from_text(backbone, spec, text, factory=factory)
    set_pooling(backbone.network, pooling)
    set_padding(backbone.network, padding)
    return set_preprocess(backbone, preprocess)
