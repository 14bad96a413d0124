import pytest
from tqdm import tqdm

from nstkit import bars as module
from nstkit.bars import Lines, Seldom, open_bar


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_line_at_every_tenth(clock, capsys):
    with open_bar(50, "lake", "eval", is_quiet=False) as lines:
        for step in range(50):
            clock[0] = float(step + 1)
            lines.set_postfix_str(f"style {step}")
            lines.update()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 10
    assert said[0] == "lake: 5 of 50 eval, 5 s, 1 eval/s, 45 s left, style 4"
    assert said[-1] == "lake: 50 of 50 eval, 50 s, 1 eval/s, 0 s left, style 49"


def test_quick_work_says_little(clock, capsys):
    with open_bar(50, "lake", "eval", is_quiet=False) as lines:
        for step in range(50):
            clock[0] = step / 5
            lines.update()
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["lake: 26 of 50 eval"]


def test_a_line_every_thirty_seconds_where_the_end_is_not_known(clock, capsys):
    lines = open_bar(None, "lake", "eval", is_quiet=False)
    for step in range(100):
        clock[0] = float(step)
        lines.update()
    expected = [f"lake: {n + 1} eval, {n} s, {(n + 1) / n:.3g} eval/s" for n in (30, 60, 90)]
    assert capsys.readouterr().err.splitlines() == expected


def test_work_that_goes_on_counts_what_is_left_by_what_it_did_itself(clock, capsys):
    lines = open_bar(100, "training", "steps", is_quiet=False, initial=60)
    clock[0] = 10.0
    lines.update(20)
    lines.reset(100)
    clock[0] = 20.0
    lines.update(10)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "training: 80 of 100 steps, 10 s, 2 steps/s, 10 s left",
        "training: 10 of 100 steps, 20 s, 0.5 steps/s, 180 s left",
    ]


def test_what_takes_a_day_says_little_more_than_what_takes_an_hour(clock, capsys):
    lines = open_bar(None, "training", "steps", is_quiet=False)
    for minute in range(24 * 60):
        clock[0] = 60.0 * minute
        lines.update()
    assert len(capsys.readouterr().err.splitlines()) < 80


def test_what_takes_its_time_is_done_in_a_twentieth_of_it(clock):
    seldom, done = Seldom(), []

    def slow():
        done.append(clock[0])
        clock[0] += 2.0

    for second in range(200):
        clock[0] = max(clock[0], float(second))
        seldom.do(slow)
    assert done == [5.0, 47.0, 89.0, 131.0, 173.0]


@pytest.mark.parametrize(
    ("is_terminal", "is_quiet", "kind"),
    [(True, False, tqdm), (True, True, tqdm), (False, False, Lines), (False, True, tqdm)],
)
def test_which_it_is(monkeypatch, is_terminal, is_quiet, kind, capsys, clock):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: is_terminal, raising=False)
    with open_bar(3, "lake", "eval", is_quiet=is_quiet) as shown:
        clock[0] = 9.0
        shown.update(3)
        assert isinstance(shown, kind)
    assert bool(capsys.readouterr().err) != is_quiet
