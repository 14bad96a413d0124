from dataclasses import replace

import numpy as np
import pytest
import torch

from transfer.judges.trust import Validity
from transfer.judges.validation.cases import Case
from transfer.judges.validation.figure import CAPTION_PX, COLUMNS, PICTURE_PX, case_sheet, columns_of, validity_figure


def judge(name, auc=0.9):
    return Validity(
        name=name,
        aspect="style",
        auc=auc,
        told=(auc, auc, auc),
        untold=(auc, 0.85, 0.97),
        pooled=0.88,
        frauds={"noise": (auc, auc, auc)},
        goods={"quilt": 0.91},
        dose={"quilt": 0.9},
        sensitivity={"weight 10 over 3": 1.0},
        plain={},
        repainted=0.01,
        between=0.05,
        repaintings={"noise": 0.01},
        changes={"size": 0.1},
        pairs=4,
    )


def test_figure_grows_with_the_judges():
    small, large = (validity_figure({str(n): judge(str(n)) for n in range(count)}) for count in (2, 8))
    assert large.height > small.height
    assert large.width == small.width


def test_columns_are_what_somebody_was_asked():
    columns = columns_of([judge("a"), replace(judge("b"), repainted=0.05)])
    assert [column.label for column in columns] == [
        *("AUC, told kinds", "AUC, untold kinds", "noise", "weight 10 over 3", "quilt"),
        *("repaintings / networks", "size"),
    ]
    ratio = columns[-2]
    assert ratio.answer(judge("a")) == pytest.approx(0.2)
    assert (ratio.shade(0.0), ratio.shade(1 / 3), ratio.shade(2.0)) == (1, 0.5, 0)


def test_figure_shows_frauds_that_win():
    def redder(picture):
        red, green, _ = np.asarray(picture, float).transpose(2, 0, 1)
        return int((red - green > 80).sum())

    good, bad = (validity_figure({"a": judge("a", auc)}) for auc in (0.95, 0.05))
    assert redder(bad) > redder(good) + 200


def test_sheet_has_a_block_for_each_pair_and_leaves_exposures_out():
    picture = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))

    def case(pair, kind, series=""):
        return Case(pair, kind, picture, picture, picture, series)

    one = [case("a", "content"), case("a", "quilt"), case("a", "quilt", "dose/quilt")]
    one_row = case_sheet(one)
    assert one_row.width > COLUMNS * PICTURE_PX
    assert one_row.height > PICTURE_PX + CAPTION_PX
    seen_otherwise = [case("a", "quilt", "exposure"), case("a", "quilt", "size")]
    assert case_sheet([*one, *seen_otherwise]).tobytes() == case_sheet(one).tobytes()
    assert case_sheet([*one, case("b", "content")]).height == 2 * one_row.height + CAPTION_PX
    many = [case("a", "content") for _ in range(COLUMNS)]  # the style stands first
    assert 2 * one_row.height - 5 < case_sheet(many).height <= 2 * one_row.height + 5  # a second row
