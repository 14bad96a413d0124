"""What data sets and their parts are called on the command line. No torch here."""

from typing import Annotated, Literal, get_args

from nstkit.annotations import Words
from nstkit.own_code import FORM

OurDataset = Literal["cifar100", "caltech101", "patterns", "folder"]
OTHERS = (("FILE.npz", r"(?s:.+)\.npz"), ("package.module:function", FORM))
DatasetName = Annotated[str, Words(get_args(OurDataset), OTHERS)]
Protocol = Literal["30-per-class", "15-per-class", "80-20"]
Background = Literal["drop", "keep"]
Stream = Literal["auto", "on", "off"]

TRAINING_COUNTS: dict[str, int] = {"cifar100": 45_000, "patterns": 12_000}  # of the others the files decide
