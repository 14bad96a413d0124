"""Gram-based style transfer with any network as the eye: `python -m transfer`, or `transfer.stylize` from Python."""


def __getattr__(name: str):
    # Lazy, so that `python -m transfer --help` does not wait for torch.
    if name == "stylize":
        from transfer.stylize import stylize

        globals()[name] = stylize  # importing the module of that name has put the module there
        return stylize
    raise AttributeError(f"module 'transfer' has no attribute '{name}'")
