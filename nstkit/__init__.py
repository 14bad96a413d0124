"""The shared core: configuration, run folders, pictures, backbones, checkpoints, data sets."""

__version__ = "0.1.0"


def __getattr__(name: str):
    # Lazy, so that `--help` of a command does not wait for torch.
    if name == "load_backbone":
        from nstkit.backbones.load import load_backbone

        return load_backbone
    raise AttributeError(f"module 'nstkit' has no attribute '{name}'")
