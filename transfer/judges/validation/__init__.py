"""Can a judge be trusted? Each is asked about pictures of known quality: `python -m transfer.judges --validate`."""
