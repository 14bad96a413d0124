"""What data sets and their parts are called on the command line. No torch here."""

from typing import Literal

DatasetName = Literal["cifar100", "caltech101", "patterns", "folder"]
Protocol = Literal["30-per-class", "15-per-class", "80-20"]
Background = Literal["drop", "keep"]
Stream = Literal["auto", "on", "off"]

TRAINING_COUNTS: dict[str, int] = {"cifar100": 45_000, "patterns": 12_000}  # of the others the files decide
