"""Networks as feature extractors: the name the user typed, the network, its taps."""
