"""Judges of a stylized picture: `transfer.judges.panel` has them all, `transfer.judges.validation` tests them."""
