"""A page on this machine on which people rate the pictures of a study: `python -m transfer.study --rate RUN`."""

import datetime
import http.server
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
from PIL import Image

from nstkit.annotations import path_of
from nstkit.errors import UserError
from nstkit.pages.render import as_data, render_page
from nstkit.pictures.read import read_picture
from transfer.pairs import read_by_name
from transfer.study.analysis import Analysis, analyse
from transfer.study.config import QuestionSettings
from transfer.study.findings import digits
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
from transfer.study.registration import read_registration
from transfer.study.report import pictures_at_level, registered_question
from transfer.study.table import read_rows, tables_of

PAGE, RESULTS = (Path(__file__).with_name(f"{name}.html") for name in ("rating", "rating_results"))
CROP_PX, PICTURE_PX, PAINTING_PX = 260, 480, 300
MOST_OPEN = 1000  # trials that are shown and not answered yet
ODD, PAIR = "Which of the three is not by this hand?", "Which of the two is more like the painting?"


class Rating:
    """The trials of a study, and the votes in its folder."""

    def __init__(self, folder: Path, question: QuestionSettings, seed: int | None = None) -> None:
        """Read the pictures of a study; raise `UserError` where there are none, or the paintings are gone."""
        self.folder = folder
        question = registered_question(question, read_registration(folder))
        names = {"outcome": question.outcome, "matched_by": question.matched_by, "quality": question.quality}
        tables = tables_of(read_rows(folder / "results.csv"), **names)
        self._analysis: Analysis = analyse(tables[0], question, replicates=1)
        self._paintings = read_paintings(folder)
        self._pictures = [
            Picture(self._analysis.table.networks[place].label, pair, file)
            for place, files in pictures_at_level(folder, self._analysis).items()
            for pair, file in zip(self._analysis.table.pairs, files, strict=True)
            if file is not None and pair[1] in self._paintings
        ]
        if not self._pictures:
            raise UserError(f"--rate {folder}: no pictures to rate there, or their paintings are gone.")
        self._random = np.random.default_rng(seed)
        self._open: dict[str, Trial] = {}

    def ask(self) -> bytes:
        """Return a page with a trial."""
        trial, name = draw_trial(self._pictures, self._random), secrets.token_hex(8)
        self._open = dict([*self._open.items(), (name, trial)][-MOST_OPEN:])
        painting = self._paintings[trial.first.pair[1]]
        first = read_picture(trial.first.path)
        if trial.second is None:
            pieces = [crop(painting, corner) for corner in trial.corners]
            pieces[trial.place] = crop(first, trial.corners[trial.place])
            width_px = CROP_PX
        else:
            pieces = [read_picture(trial.second.path)]
            pieces.insert(trial.place, first)
            width_px = PICTURE_PX
        same = [piece.resize((width_px, round(width_px * piece.height / piece.width))) for piece in pieces]
        return render_page(
            PAGE,
            title="Rating",
            question=ODD if trial.second is None else PAIR,
            choices=[as_data(piece, 2 * PICTURE_PX) for piece in same],
            painting="" if trial.second is None else as_data(painting, PAINTING_PX),
            width_px=width_px,
            trial=name,
            count=len(read_votes(self.folder)),
        )

    def vote(self, form: Mapping[str, list[str]]) -> bool:
        """Keep a vote; return False for one that answers no open trial."""
        trial = self._open.pop(form.get("trial", [""])[0], None)
        choice = form.get("choice", [""])[0]
        if trial is None or not choice.isdecimal() or int(choice) >= (3 if trial.second is None else 2):
            return False
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        keep_vote(self.folder, trial, int(choice), now)
        return True

    def results(self) -> bytes:
        """Return a page of hit rates and strengths, beside what the judges say."""
        votes = read_votes(self.folder)
        hits, strong = hit_rates(votes), strengths(votes)
        networks = self._analysis.table.networks
        judged = {network.label: float(self._analysis.matched[place]) for place, network in enumerate(networks)}
        rows = []
        for name in dict.fromkeys([*strong, *hits]):
            rate, strength = hits.get(name), strong.get(name)
            rows.append(
                [
                    name,
                    "" if rate is None else f"{rate[0]:.0%} ({rate[1]:.0%} to {rate[2]:.0%}, {rate[3]} votes)",
                    "" if strength is None else f"{strength[0]:+.2f} ± {1.96 * strength[1]:.2f}",
                    digits(judged.get(name)),
                ]
            )
        rank, count = agreement({name: value for name, (value, _) in strong.items()}, judged)
        about = f"{len(votes)} votes. An odd crop is found by chance in 33 %; the less, the more like the hand. "
        about += f"Rank correlation of strength and judges: {digits(rank) or 'not known'} over {count} networks."
        columns = ["network", "odd crop found", "strength (Bradley-Terry, 95 %)", "judged, at the level"]
        return render_page(RESULTS, title="Results", about=about, columns=columns, rows=rows)


def read_paintings(folder: Path) -> dict[str, Image.Image]:
    """Return the paintings of a study by name, from where its config.json says they lie."""
    try:
        settings = json.loads((folder / "config.json").read_text())
        return read_by_name([path_of(text) for text in settings["style"]], max(settings["size"]))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"--rate {folder}: no study there. Give its folder, such as runs/study/NAME.") from error


def make_server(rating: Rating, port: int) -> http.server.HTTPServer:
    """Return a server of the page, on this machine alone; `port` 0 is any that is free."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages = {"/": rating.ask, "/results": rating.results}
            if self.path in pages:
                self._answer(200, pages[self.path]())
            else:
                self._answer(404, b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            form = parse_qs(self.rfile.read(min(length, 10_000)).decode(errors="replace"))
            if self.path == "/vote":
                rating.vote(form)  # one that is not open any more is passed over: the next trial follows
                self.send_response(303)
                self.send_header("Location", "/")
                self.end_headers()
            else:
                self._answer(404, b"")

        def _answer(self, status: int, page: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    try:
        return http.server.HTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UserError(f"--port {port}: {error.strerror}. Give another one, or 0 for any that is free.") from error


def serve(folder: Path, question: QuestionSettings, port: int) -> None:
    """Serve the page until it is interrupted."""
    rating = Rating(folder, question)
    with make_server(rating, port) as server:
        print(
            f"rate:    http://127.0.0.1:{server.server_port}/    (Ctrl-C ends it; votes are kept in {folder}/votes.csv)"
        )
        server.serve_forever()
