"""Many pictures by many networks, compared: `python -m transfer.study`."""
