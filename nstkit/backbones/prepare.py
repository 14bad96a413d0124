"""A backbone as the user wants it: loaded by its name, then layers swapped, its pooling, padding and colours set."""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.load import load_as_is, wrap_network
from nstkit.backbones.normalisation import ChannelOrder, InputSettings, ValueRange
from nstkit.backbones.spec import BackboneSpec, Padding, Pooling, Preprocess, parse_backbone
from nstkit.backbones.surgery import normalisation_of, set_normalisation, set_padding, set_pooling, set_preprocess
from nstkit.backbones.swap import swap_from_text
from nstkit.errors import UserError


def load_backbone(
    spec: str | Path | BackboneSpec | nn.Module,
    *,
    pooling: Pooling = "max",
    padding: Padding = "zero",
    preprocess: Preprocess = "own",
    swap: Iterable[str] = (),
    mean: Iterable[float] = (),
    std: Iterable[float] = (),
    channel_order: ChannelOrder = "own",
    value_range: ValueRange = "own",
    factory: str | None = None,
    label: str | None = None,
) -> Backbone:
    """Return the extractor that `spec` is or names (see `nstkit.backbones.spec`), on the CPU.

    The global random state stays as it is: random weights depend on the seed in `spec` alone.

    Args:
        spec: such as `ckpt.pt`, `vgg19`, `vgg19@random:3`, `resnet50.a1_in1k`, `vgg19@weights.safetensors`; or a
            network, a module of torch's that takes pictures (B, 3, H, W), which is copied and stays as it is.
        pooling: what replaces the network's max pooling; see `nstkit.backbones.surgery`.
        padding: what replaces the zeros around the maps of its convolutions.
        preprocess: `own`, or what replaces the weights' own normalisation of the picture.
        swap: texts TAP..TAP@WEIGHTS, layers that other weights are put into; see `nstkit.backbones.swap`.
        mean: three values subtracted from the channels, in their order and range; like the next three for weights of
            another program that do not say it, see `nstkit.backbones.normalisation.InputSettings`. Of a network that is
            none of timm's they are ImageNet's if not given.
        std: three values that the channels are then divided by.
        channel_order: `own` (what is known of the network), `rgb` or `bgr`.
        value_range: `own`, or `0-1` or `0-255`: of the channels before mean and std, which then are 0 and 1 if not
            given.
        factory: `package.module:function` that made a checkpoint's network; runs only if that names it too.
        label: what the network is called in tables and messages. None = by its name, or its class.

    Raises:
        UserError: for an unknown name, weights that are missing, corrupt or do not fit, or a checkpoint whose factory
            was not given.

    Example:
        >>> backbone = load_backbone("carried", pooling="avg")
        >>> backbone.content_taps
        ('relu4_2',)
    """
    given = InputSettings.of(mean=tuple(mean), std=tuple(std), channel_order=channel_order, value_range=value_range)
    if given != InputSettings() and preprocess != "own":
        raise UserError(f"--preprocess {preprocess} with {given.flags}. Give one of them.")
    if isinstance(spec, nn.Module):
        if list(swap):
            raise UserError("swap with a network that has no name. Put the weights into it before.")
        backbone = wrap_network(spec)
    else:
        spec = parse_backbone(spec) if isinstance(spec, (str, Path)) else spec
        backbone = load_as_is(spec, factory=factory)
        for text in swap:
            swap_from_text(backbone, spec, text, factory=factory)
    backbone.label = backbone.label if label is None else label
    set_pooling(backbone.network, pooling)
    set_padding(backbone.network, padding)
    if given != InputSettings():
        return set_normalisation(backbone, given.applied(normalisation_of(backbone)))
    return set_preprocess(backbone, preprocess)
