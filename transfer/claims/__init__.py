"""What papers claim about style transfer, measured in small: `python -m transfer.claims`."""
