"""Judges of a stylized picture: `transfer.judges.panel` has them all, `transfer.judges.validate` tests them."""
