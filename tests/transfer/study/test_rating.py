"""Blind ratings: trials, votes and what they come to; and the page that asks, over its own server."""

import json
import re
import threading
import urllib.error
import urllib.request
from collections import Counter
from functools import partial
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from nstkit.files import write_csv
from nstkit.pictures.save import save_picture
from transfer.study import rating_server
from transfer.study.__main__ import main
from transfer.study.config import QuestionSettings
from transfer.study.rating import (
    Picture,
    Trial,
    agreement,
    crop,
    draw_trial,
    hit_rates,
    keep_vote,
    read_votes,
    strengths,
)


def pair_votes(strength, count, seed=0):
    """Return votes between networks of known strengths."""
    random, names = np.random.default_rng(seed), list(strength)
    votes = []
    for _ in range(count):
        first, second = random.choice(names, 2, replace=False)
        wins = random.random() < 1 / (1 + np.exp(strength[second] - strength[first]))
        votes.append({"kind": "pair", "first": str(first), "second": str(second), "is_first": str(int(wins))})
    return votes


def test_strengths_are_those_that_the_votes_were_drawn_from():
    true = {"a": -1.0, "b": 0.0, "c": 0.2, "d": 0.8}
    found = strengths(pair_votes(true, 1500))
    assert all(abs(found[name][0] - value) < 3 * found[name][1] for name, value in true.items())
    assert max(error for _, error in found.values()) < 0.12
    assert found["a"][0] < found["b"][0] < found["d"][0]
    assert sum(value for value, _ in found.values()) == pytest.approx(0, abs=1e-6)


def test_network_that_won_all_of_few_votes_is_not_infinitely_strong():
    votes = [{"kind": "pair", "first": "a", "second": "b", "is_first": "1"}] * 3
    found = strengths(votes)
    assert 0 < found["a"][0] < 2
    assert strengths([]) == {}


def test_hits_are_counted_by_network_and_kind():
    votes = [{"kind": "odd", "first": name, "is_first": hit} for name, hit in (("a", "1"), ("a", "0"), ("b", "1"))]
    found = hit_rates([*votes, {"kind": "pair", "first": "a", "second": "b", "is_first": "1"}])
    assert (found["a"][0], found["a"][3], found["b"][0], found["b"][3]) == (0.5, 2, 1.0, 1)
    assert 0 < found["b"][1] < 0.5 < found["b"][2] <= 1


def test_agreement_is_the_rank_correlation_of_those_that_have_both():
    rated = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert agreement(rated, {"a": 0.1, "b": 0.2, "c": 0.9, "e": 0.0}) == (pytest.approx(1.0), 3)
    assert agreement(rated, {"a": 0.9, "b": 0.2, "c": 0.1, "d": float("nan")})[0] == pytest.approx(-1.0)
    assert np.isnan(agreement(rated, {"a": 0.1})[0])


def test_trials_are_of_both_kinds_and_places_do_not_tell(tmp_path):
    pictures = [Picture(name, pair, tmp_path) for name in "ab" for pair in (("x", "y"), ("x", "z"))]
    random = np.random.default_rng(0)
    trials = [draw_trial(pictures, random) for _ in range(600)]
    places = Counter((trial.kind, trial.place) for trial in trials)
    assert set(places) == {("odd", 0), ("odd", 1), ("odd", 2), ("pair", 0), ("pair", 1)}
    assert all(count > 60 for count in places.values())
    for trial in trials:
        if trial.second is not None:
            assert (trial.second.pair, trial.second.network != trial.first.network) == (trial.first.pair, True)
    assert {draw_trial(pictures[:1], random).kind for _ in range(20)} == {"odd"}


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 1.0), (0.3, 0.6)])
def test_crop_lies_inside(corner):
    assert crop(Image.new("RGB", (60, 41)), corner).size == (20, 20)


def test_votes_are_kept_one_after_the_other(tmp_path):
    first, second = (Picture(name, ("x", "y"), tmp_path) for name in "ab")
    keep_vote(tmp_path, Trial("pair", first, second, 1, ()), 1, "now")
    keep_vote(tmp_path, Trial("odd", second, None, 2, ()), 0, "later")
    assert [(row["kind"], row["first"], row["second"], row["is_first"]) for row in read_votes(tmp_path)] == [
        ("pair", "a", "b", "1"),
        ("odd", "b", "", "0"),
    ]


@pytest.fixture
def rated(tmp_path, simulate, monkeypatch, draw_picture):
    """A study with pictures, two networks of each pair, and its server on a port of its own."""
    monkeypatch.setattr(rating_server, "analyse", partial(rating_server.analyse))
    folder = tmp_path / "study"
    rows = [row for row in simulate(seeds=1) if row["backbone"] in ("a0-0", "a0-20")]
    write_csv(folder / "results.csv", rows)
    (tmp_path / "paintings").mkdir()
    for k in range(8):
        draw_picture((64, 48), seed=k).save(tmp_path / "paintings" / f"style{k}.png")
    (folder / "config.json").write_text(json.dumps({"style": [str(tmp_path / "paintings")], "size": [64]}))
    for number, row in enumerate(row for row in rows if row["style_weight"] == 10):
        save_picture(draw_picture((64, 48), seed=50 + number), folder / "cells" / f"{number}.png")
        (folder / "cells" / f"{number}.json").write_text(json.dumps(row))
    server = rating_server.make_server(rating_server.Rating(folder, QuestionSettings(), seed=0), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def ask(url, **form):
    """Return a page; with a form it is posted."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = urlencode(form).encode() if form else None
    with opener.open(url, data, timeout=30) as answer:
        return answer.read().decode()


def test_page_asks_keeps_votes_and_shows_what_they_come_to(rated):
    folder, url = rated
    page = ask(url + "/")
    for number in range(6):
        trial = re.search(r'name="trial" value="(\w+)"', page)[1]
        is_pair = "more like the painting" in page
        assert page.count('<button name="choice"') == (2 if is_pair else 3)
        assert "a0-" not in page  # it is blind
        page = ask(url + "/vote", trial=trial, choice=number % 2)  # which leads to the next
        assert f"{number + 1} votes so far" in page
    votes = read_votes(folder)
    assert len(votes) == 6
    assert {vote["kind"] for vote in votes} == {"odd", "pair"}
    results = ask(url + "/results")
    assert "6 votes." in results
    assert "a0-20" in results

    # What answers no open trial is no vote.
    for form in ({"trial": "gone", "choice": 0}, {"trial": trial, "choice": 0}, {"choice": "x"}):
        ask(url + "/vote", **form)
    assert len(read_votes(folder)) == 6
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(url + "/../config.json")


def test_mistakes_are_one_line(study_folder, tmp_path, call_command, capsys):
    assert call_command(main, "--rate", tmp_path) == 2
    assert "results.csv: No such file or directory" in capsys.readouterr().err
    assert call_command(main, "--rate", study_folder) == 2
    assert f"--rate {study_folder}: no study there" in capsys.readouterr().err
