"""A network from the `arch` of a checkpoint, and an `arch` from what the user typed.

ours         {"arch": "vgg19", "norm": "batch", "width": 1.0, "classes": 100}, and "head": "fc4096" for the paper's
timm's       {"arch": "resnet18", "library": "timm", "classes": 100, "small_stem": True}
a factory    {"arch": "package.module:function", "library": "factory", "classes": 100}

A factory is code. A file that names one never makes it run: the user has to name the same one with `--arch`.
"""

from typing import Any, get_args

from torch import nn

from nstkit.backbones import stem, vgg
from nstkit.backbones.spec import Arch, Head, Norm, split_norm
from nstkit.errors import UserError, first_line, is_out_of_memory, nearest, printable
from nstkit.own_code import blamed, find_function, is_code

SMALL_PX = 64  # up to this side a stem that divides it by four leaves the deep layers a single position


def arch_of(
    name: str,
    *,
    norm: Norm = "batch",
    width: float = 1.0,
    head: Head = "gap",
    classes: int,
    image_size: int,
) -> dict[str, Any]:
    """Return the `arch` of a network by name: one of ours, then `package.module:function`, then timm's.

    Args:
        name: such as `vgg19`, `mypackage.networks:build`, `resnet18`.
        norm: batch norm or none; only our own networks have the choice.
        width: factor on the channel counts of our own networks.
        head: what our own networks end in.
        classes: how many logits.
        image_size: side of the training pictures [px]; up to 64, timm's networks get a stem for small pictures.

    Raises:
        UserError: for an unknown name, or settings that the named network does not have.
    """
    if (own := split_norm(name)) is not None:
        arch, suffix = own
        if suffix == "batch" and norm == "none":
            raise UserError(f"--arch {name} has batch norm, --norm none has not. Give --arch {arch} --norm none.")
        return {"arch": arch, "norm": norm, "width": width, "classes": classes, **_head(head)}
    wrong = {"--norm": (norm, "batch"), "--width": (width, 1.0), "--head": (head, "gap")}
    if given := [f"{flag} {value}" for flag, (value, default) in wrong.items() if value != default]:
        raise UserError(
            f"--arch {name} with {', '.join(given)}: only the networks of this kit ({', '.join(get_args(Arch))}) have "
            f"these settings. Leave them out."
        )
    if ":" in name:
        if not is_code(name):
            raise UserError(f"--arch {name}: not of the form package.module:function.")
        return {"arch": name, "library": "factory", "classes": classes}
    import timm

    if not timm.is_model(name) or "." in name:  # a tag names weights, and here they start at random
        close = nearest(name, [*get_args(Arch), *timm.list_models()])
        raise UserError(
            f"--arch {name}: no network of this name here or in timm.{close} "
            f"Give {', '.join(get_args(Arch))}, a name of timm's without a tag, or your own package.module:function."
        )
    return {"arch": name, "library": "timm", "classes": classes, "small_stem": image_size <= SMALL_PX}


def _head(head: Head) -> dict[str, Head]:
    return {} if head == "gap" else {"head": head}  # checkpoints of before have none


def build_network(arch: dict[str, Any], *, factory: str | None = None) -> nn.Module:
    """Return the network of a checkpoint's `arch`, with the weights that its library starts with.

    Args:
        arch: see the module's docstring.
        factory: what the user gave as `--arch package.module:function`. A factory that a file names is imported only
            if it is this one.

    Returns:
        A module from normalised pictures (B, 3, H, W) to logits (B, classes). Its `arguments` is `arch`.

    Raises:
        UserError: for an arch that is not known here, or a factory that was not asked for or does not work.
    """
    library, name, classes = arch.get("library"), arch.get("arch"), arch.get("classes")
    if not isinstance(name, str) or not isinstance(classes, int):
        raise UserError(f"a network of arch {name!r} with {classes!r} classes cannot be built.")
    if library == "factory":
        network = _call_factory(name, classes, factory)
    elif library == "timm":
        network = _create_timm(name, classes)
        if arch.get("small_stem"):
            stem.shrink_stem(network)
    elif library is None and name in vgg.CONVOLUTIONS:
        try:
            network = vgg.VGG(**arch)
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}: {first_line(error)}. The file is of another version; update nstkit.") from error
    else:
        raise UserError(f"no network {name!r} of library {library!r} here. The file is of another version.")
    vars(network)["arguments"] = dict(arch)
    return network


def _create_timm(name: str, classes: int) -> nn.Module:
    import timm

    # Unless the name is looked at first, timm would fetch what `hf-hub:` or `local-dir:` stand before.
    if not timm.is_model(name):
        raise UserError(f"the installed timm {timm.__version__} has no network {name!r}. Update timm.")
    try:
        return timm.create_model(name, pretrained=False, num_classes=classes)
    except Exception as error:  # timm's constructors raise a dozen kinds
        if is_out_of_memory(error):
            raise
        raise UserError(f"{name}: timm could not make it with {classes} classes ({first_line(error)}).") from error


def _call_factory(name: str, classes: int, allowed: str | None) -> nn.Module:
    if name != allowed:
        name = printable(name)  # as it is, it could steer the terminal
        given = f"--arch {allowed} is another" if allowed else "code that a file names is not run"
        raise UserError(f"the network was made by {name} ({given}). If you trust that code, add --arch {name}")
    return call_own("--arch", name, num_classes=classes)


def call_own(flag: str, name: str, **arguments: int) -> nn.Module:
    """Return the network that the user's own `package.module:function` makes.

    Args:
        flag: that named it, for messages.
        name: of the function.
        arguments: that it is called with.

    Raises:
        UserError: for a function that is not there, fails, or returns no module.
    """
    function = find_function(flag, name)
    with blamed(f"{flag} {name}: it failed", "; see --debug."):
        network = function(**arguments)
    if not isinstance(network, nn.Module):
        raise UserError(f"{flag} {name}: it returned a {type(network).__name__}; it must return a torch.nn.Module.")
    return network
