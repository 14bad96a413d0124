"""What single architectures need, in one place, so that the other files can state general rules.

Hiera              keeps its tokens in an order of its own, which it makes for one size of picture
timm's ViT, Eva    pass their patches on as a row of tokens; to resample the positions they need the grid
torchvision's ViT  refuses pictures of another size than its own
MViT               names its blocks in `feature_info` by another name than they have
"""

from collections.abc import Container, Sequence
from types import MethodType
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

PASS_TOKENS_ON = ("VisionTransformer", "VisionTransformerDistilled", "Eva")


@runtime_checkable
class Patches(Protocol):
    """What cuts a picture into patches in timm's transformers, and can give them in several formats."""

    flatten: bool
    output_fmt: object


def has_own_order(network: nn.Module) -> bool:
    """Return whether the tokens of a network are not in the order of the picture's rows, as in Hiera."""
    if type(network).__name__ != "Hiera":  # importing timm takes seconds
        return False
    from timm.models.hiera import Hiera

    return isinstance(network, Hiera)


def block_number(path: str) -> int | None:
    """Return the number of the block that a module path such as `blocks.3` names, else None.

    Of a network that has its own order, the outputs of blocks alone can be brought into that of the picture.
    """
    parent, _, number = path.partition(".")
    return int(number) if parent == "blocks" and number.isdigit() else None


def ordered_maps(network: nn.Module, tokens: Tensor, path: str) -> Tensor:
    """Return the tokens of a network that has its own order as maps (B, C, H, W).

    Args:
        network: for which `has_own_order` is true.
        tokens: what a block gave, (B, N, C).
        path: of the block.
    """
    from timm.models.hiera import Hiera

    assert isinstance(network, Hiera)
    return network.reroll(tokens, block_number(path)).permute(0, 3, 1, 2)


def published_path(path: str, names: Container[str]) -> str:
    """Return the module path that an entry of timm's `feature_info` means.

    Args:
        path: as the entry has it.
        names: paths of the network's modules.
    """
    renamed = path.replace("block.", "stages.")  # timm 1.0.31 has it wrong for MViT
    return renamed if path not in names and renamed in names else path


def keep_grid(network: nn.Module, patches: Patches) -> None:
    """Make the patches of a network stay a grid where its `dynamic_img_size` reads the size from them, in place.

    Args:
        network: a transformer of timm's.
        patches: its `patch_embed`.
    """
    from timm.layers import Format

    if type(network).__name__ in PASS_TOKENS_ON:
        patches.flatten, patches.output_fmt = False, Format.NHWC


def free_sizes(network: nn.Module) -> None:
    """Let one of the networks that have no switch for it take pictures of any size that its patches tile, in place."""
    if hasattr(network, "conv_proj") and hasattr(getattr(network, "encoder", None), "pos_embedding"):
        encoder = network.get_submodule("encoder")
        vars(network)["_process_input"] = MethodType(_embed_patches, network)
        vars(encoder)["forward"] = MethodType(_encode, encoder)
    elif has_own_order(network):
        _free_hiera(network)


def _embed_patches(self: Any, image: Tensor) -> Tensor:
    """Torchvision's `VisionTransformer._process_input` without its assertion of the size."""
    patches = self.conv_proj(image)
    self.encoder.grid = patches.shape[2:]
    return patches.flatten(2).transpose(1, 2)


def _encode(self: Any, tokens: Tensor) -> Tensor:
    """Torchvision's `Encoder.forward` with its position embedding resampled."""
    positions = _resampled(self.pos_embedding, self.grid, prefix=1)
    return self.ln(self.layers(self.dropout(tokens + positions)))


def _free_hiera(network: nn.Module) -> None:
    """Let Hiera's order of tokens, made for one size, follow each picture."""
    from timm.models.hiera import Hiera

    assert isinstance(network, Hiera)
    make_unroll, make_reroll = type(network.unroll), type(network.reroll)
    schedule = [network.q_stride] * len(network.stage_ends[:-1])
    embed = type(network)._pos_embed

    def follow(module: Hiera, inputs: tuple[Tensor, ...]) -> None:
        size = tuple(inputs[0].shape[2:])
        module.tokens_spatial_shape = [side // step for side, step in zip(size, module.patch_stride, strict=True)]
        units = zip(module.tokens_spatial_shape, module.mask_unit_size, strict=True)
        module.mask_spatial_shape = [count // unit for count, unit in units]
        module.unroll = make_unroll(size, module.patch_stride, schedule)
        module.reroll = make_reroll(size, module.patch_stride, schedule, module.stage_ends, module.q_pool)

    def embed_positions(self: Hiera, tokens: Tensor) -> Tensor:
        if self.pos_embed is None or self.pos_embed_win is not None:
            return embed(self, tokens)
        return tokens + _resampled(self.pos_embed, self.tokens_spatial_shape, prefix=0)

    vars(network)["_pos_embed"] = MethodType(embed_positions, network)
    network.register_forward_pre_hook(follow)


def _resampled(positions: Tensor, grid: Sequence[int], prefix: int) -> Tensor:
    """Return a position embedding for a grid (rows, columns), the `prefix` tokens before it as they are."""
    from timm.layers import resample_abs_pos_embed

    return resample_abs_pos_embed(positions, list(grid), num_prefix_tokens=prefix)
