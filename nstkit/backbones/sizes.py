"""Pictures of any size for networks that were made for one: freed where they can be, else the picture is padded."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nstkit.errors import UserError


@dataclass(frozen=True)
class Sizes:
    """Which pictures a network takes.

    Attributes:
        multiple: each side has to be a multiple of this [px].
        only: the one side of a square picture that it takes [px]; None = any.
        is_set: the network is told the size of each picture (timm's `set_input_size`).
        is_partial: behind the deepest tap it takes its own size only, so that it has no output.
    """

    multiple: int = 1
    only: int | None = None
    is_set: bool = False
    is_partial: bool = False

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that a picture is padded to (height, width) [px].

        Raises:
            ValueError: for a picture larger than the only size.
        """
        if self.only is None:
            return math.ceil(height / self.multiple) * self.multiple, math.ceil(width / self.multiple) * self.multiple
        if max(height, width) > self.only:
            raise ValueError(f"takes pictures up to {self.only} x {self.only} px only, this one is {width} x {height}")
        return self.only, self.only


def pad_picture(image: Float[Tensor, "b c h w"], sizes: Sizes, label: str) -> Float[Tensor, "b c _ _"]:
    """Return the picture, mirrored on at its right and lower edge up to a size that the network takes.

    Args:
        image: pictures.
        sizes: what the network takes.
        label: of the network, for the message.

    Raises:
        UserError: for a picture larger than the only size that the network takes.
    """
    try:
        height, width = sizes.padded(*image.shape[2:])
    except ValueError as error:
        raise UserError(
            f"{label} {error}: its layers are tied to that size. Use --size {sizes.only} or another network."
        ) from error
    while image.shape[2:] != (height, width):  # a mirror shows at most one side less one pixel at a time
        below = min(height - image.shape[2], image.shape[2] - 1)
        right = min(width - image.shape[3], image.shape[3] - 1)
        mode = "reflect" if min(image.shape[2:]) > 1 else "replicate"
        if mode == "replicate":
            below, right = height - image.shape[2], width - image.shape[3]
        image = functional.pad(image, (0, right, 0, below), mode=mode)
    return image


def free_sizes(network: nn.Module) -> None:
    """Let a transformer take pictures of any size that its patches tile, in place, as timm's `dynamic_img_size` does.

    Position embeddings are resampled in each pass. What is already free, or cannot be freed, stays as it is.
    """
    for module in network.modules():
        if hasattr(module, "strict_img_size"):
            module.strict_img_size = False
        if hasattr(module, "dynamic_mask"):  # Swin's masks of shifted windows, made for each picture
            module.dynamic_mask = True
    patches = getattr(network, "patch_embed", None)
    name = type(network).__name__
    # Rotary embeddings of a fixed grid are cached: such a network is told the size instead.
    is_cached = getattr(getattr(network, "rope", None), "feat_shape", None) is not None
    if hasattr(patches, "output_fmt") and getattr(network, "dynamic_img_size", True) is False and not is_cached:
        from timm.layers import Format

        network.dynamic_img_size = True
        if name in ("VisionTransformer", "VisionTransformerDistilled", "Eva"):
            patches.flatten, patches.output_fmt = False, Format.NHWC
    if hasattr(network, "conv_proj") and hasattr(getattr(network, "encoder", None), "pos_embedding"):
        network._process_input = MethodType(_embed_patches, network)
        network.encoder.forward = MethodType(_encode, network.encoder)
    elif name == "Hiera":
        _free_hiera(network)


def _embed_patches(self: Any, image: Tensor) -> Tensor:
    """Torchvision's `VisionTransformer._process_input` without its assertion of the size."""
    patches = self.conv_proj(image)
    self.encoder.grid = patches.shape[2:]
    return patches.flatten(2).transpose(1, 2)


def _encode(self: Any, tokens: Tensor) -> Tensor:
    """Torchvision's `Encoder.forward` with its position embedding resampled."""
    positions = _resample(self.pos_embedding, self.grid, 1)
    return self.ln(self.layers(self.dropout(tokens + positions)))


def _resample(positions: Tensor, grid: Sequence[int], prefix: int) -> Tensor:
    from timm.layers import resample_abs_pos_embed

    return resample_abs_pos_embed(positions, list(grid), num_prefix_tokens=prefix)


def _free_hiera(network: Any) -> None:
    """Let Hiera's order of tokens, made for one size, follow each picture."""
    make_unroll, make_reroll = type(network.unroll), type(network.reroll)
    schedule = [network.q_stride] * len(network.stage_ends[:-1])
    embed = type(network)._pos_embed

    def follow(module: Any, inputs: tuple[Tensor, ...]) -> None:
        size = tuple(inputs[0].shape[2:])
        module.tokens_spatial_shape = [i // s for i, s in zip(size, module.patch_stride, strict=True)]
        units = zip(module.tokens_spatial_shape, module.mask_unit_size, strict=True)
        module.mask_spatial_shape = [i // s for i, s in units]
        module.unroll = make_unroll(size, module.patch_stride, schedule)
        module.reroll = make_reroll(size, module.patch_stride, schedule, module.stage_ends, module.q_pool)

    def embed_positions(self: Any, tokens: Tensor) -> Tensor:
        if self.pos_embed is None or self.pos_embed_win is not None:
            return embed(self, tokens)
        return tokens + _resample(self.pos_embed, self.tokens_spatial_shape, 0)

    network._pos_embed = MethodType(embed_positions, network)
    network.register_forward_pre_hook(follow)


class SizeSetter:
    """Tells a network the size of the next picture by timm's `set_input_size`, always from its own weights on."""

    def __init__(self, network: nn.Module) -> None:
        self.size: tuple[int, int] | None = None
        self.own = {path: _shallow(module) for path, module in network.named_modules()}

    def set(self, network: nn.Module, size: tuple[int, int]) -> None:
        """Make the network take pictures of this size (height, width) [px], in place."""
        if size == self.size:
            return
        self.reset(network)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # timm's resampling of tables searches in a transposed tensor
            network.set_input_size(size)
        network.requires_grad_(False)
        self.size = size

    def reset(self, network: nn.Module) -> None:
        """Bring back the network's own size and weights, in place."""
        like = next(network.parameters())
        for path, module in network.named_modules():
            _restore(module, self.own[path], like)
        self.size = None


def _shallow(module: nn.Module) -> dict[str, Any]:
    """Return a module's own attributes, its tables of tensors copied, the tensors not."""
    values = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    return {**values, "_parameters": dict(module._parameters), "_buffers": dict(module._buffers)}


@torch.no_grad()
def _restore(module: nn.Module, values: dict[str, Any], like: Tensor) -> None:
    training = module.training
    vars(module).update({key: value for key, value in values.items() if key not in ("_parameters", "_buffers")})
    module.training = training
    for key in ("_parameters", "_buffers"):
        table = getattr(module, key)
        for name, value in values[key].items():
            if value is not None and value.device != like.device:  # moved since
                value = nn.Parameter(value.to(like.device), False) if key == "_parameters" else value.to(like.device)
            table[name] = value
