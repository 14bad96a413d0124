"""Stems for small pictures: a network made for 224 px would leave one of 32 px a single position in its deep layers."""

import re

from torch import nn

# Max pooling that belongs to the stem: ResNet, DenseNet, SE-ResNet, pre-activation and norm-free ResNet, DPN.
POOLINGS = ("maxpool", "features.pool0", "pool0", "stem.pool", "features.conv1_pool")
# Further convolutions of it: those of modules named stem, and HRNet's second.
FURTHER = re.compile(r"stem\..*|conv2")


def shrink_stem(network: nn.Module) -> list[str]:
    """Make the stem of a network of timm's divide the side by one (in place of 2 or 4); return the changed modules.

    The rule, which takes the place of a table of networks: the first convolution (timm's `first_conv`) of stride 2 and
    all of stride 2 within the stem get stride 1, a first one of 7x7 becomes 3x3, max pooling in the stem goes. One that
    cuts the picture into patches of stride 3 or 4 (ConvNeXt) gets stride 2: at stride 1 a step would cost 16 times as
    much. Networks whose first convolution has stride 1 (VGG, DarkNet, DLA) or stands outside these names are left as
    they are. Of the changed convolutions only those of another kernel have new weights.

    Source: He et al. 2016, section 4.2, whose networks for CIFAR start with 3x3 of stride 1 and have no pooling.
    """
    named = getattr(network, "pretrained_cfg", {}).get("first_conv") or ()
    first = (named,) if isinstance(named, str) else tuple(named)
    modules = dict(network.named_modules())
    changed = []
    for path, module in modules.items():
        if not isinstance(module, nn.Conv2d) or max(module.stride) == 1:
            continue
        if path in first and max(module.stride) == 2:
            if max(module.kernel_size) == 7:
                _replace(network, path, _like(module, kernel=3, stride=1, padding=1))
            else:
                module.stride = (1, 1)
        elif path in first and path.startswith("stem") and max(module.stride) in (3, 4):
            is_patch = module.kernel_size == module.stride
            _replace(network, path, _like(module, 2, 2, 0) if is_patch else _like(module, 3, 2, 1))
        elif first and FURTHER.fullmatch(path) and max(module.stride) == 2:
            module.stride = (1, 1)
        else:
            continue
        changed.append(path)
    if changed:
        for path in POOLINGS:
            if any(isinstance(module, nn.MaxPool2d) for module in getattr(modules.get(path), "modules", list)()):
                _replace(network, path, nn.Identity())
                changed.append(path)
    return changed


def _like(conv: nn.Conv2d, kernel: int, stride: int, padding: int) -> nn.Conv2d:
    """Return a convolution of the same class and channels, N(0, 2 / fan_out), bias 0."""
    new = type(conv)(
        conv.in_channels, conv.out_channels, kernel, stride, padding, groups=conv.groups, bias=conv.bias is not None
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    return new


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)
