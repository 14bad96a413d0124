"""The same architecture with random weights: what every measure is held against."""

from dataclasses import replace
from typing import Any

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.build import build_network
from nstkit.backbones.initialise import initialise, seeded, undo_identity_start
from nstkit.backbones.load import read_own
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import BackboneSpec, parse_backbone


def random_twin(spec: str | BackboneSpec, *, factory: str | None = None) -> Backbone:
    """Return the architecture that `spec` names with random weights, on the CPU. The global random state stays.

    NAME[@WEIGHTS] gives NAME@random; NAME@random:SEED the next seed. A checkpoint gives the architecture that stands in
    it: a VGG of ours with Kaiming's initialisation, any other as its library makes it, its residual branches
    opened. Batch norm has no statistics yet: see `nstkit.backbones.batchnorm`.

    Args:
        spec: see `nstkit.backbones.spec`.
        factory: `package.module:function` that made a checkpoint's network; runs only if that names it too.

    Raises:
        UserError: as `nstkit.backbones.prepare.load_backbone`.

    Example:
        >>> random_twin("carried").label
        'carried-random'
    """
    spec = parse_backbone(spec) if isinstance(spec, str) else spec
    if spec.name is not None:
        seed = spec.seed + 1 if spec.weights == "random" else 0
        text = f"{spec.name}@random:{seed}"
        return load_backbone(replace(spec, text=text, weights="random", path=None, seed=seed))
    twin = load_backbone(spec, factory=factory)
    content = read_header(spec)
    assert content is not None
    with seeded(0):
        network = build_network(content["arch"], factory=factory)
        initialise(network, "default" if "library" in content["arch"] else "kaiming")
        undo_identity_start(network)
    twin.network.load_state_dict(network.state_dict())
    twin.label, twin.quality, twin.is_random = f"{twin.label}-random", {}, True
    return twin


def read_header(spec: BackboneSpec) -> dict[str, Any] | None:
    """Return what a checkpoint or an exported folder of ours says of itself, None for NAME[@WEIGHTS]."""
    if spec.name is not None:
        return None
    assert spec.path is not None
    return read_own(spec.path)
