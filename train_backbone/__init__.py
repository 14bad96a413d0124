"""Training a network from scratch: `python -m train_backbone`."""
