"""The report, from results.csv alone: as files, by the command, and in a browser."""

import json
import re
import shutil
import subprocess
from functools import partial

import pytest
from PIL import Image

from nstkit.files import write_csv
from nstkit.pictures.save import save_picture
from transfer.study import report
from transfer.study.__main__ import main
from transfer.study.config import QuestionSettings
from transfer.study.registration import register
from transfer.study.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server", "--disable-sync")
BROWSER_S = 90
REGISTERED = {name: value for name, value in QuestionSettings().flat().items() if name not in ("arm", "quality_runs")}


@pytest.fixture(scope="module", autouse=True)
def few_replicates():
    """Draw a few times where a study draws a thousand times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "analyse", partial(report.analyse, replicates=40))
        yield


@pytest.fixture(scope="module")
def reported(tmp_path_factory, simulate):
    """A study with a registration, pictures of one training, claims, and its report."""
    folder = tmp_path_factory.mktemp("reported") / "mine"
    rows = simulate()
    rows[-1] |= {"judge/style": None, "judge/content": None, "error": "too little memory <b>"}
    register(folder, REGISTERED)
    write_csv(folder / "results.csv", rows)
    for number, row in enumerate(row for row in rows if row["backbone"].startswith("a0") and row["style_weight"] == 10):
        shade = 40 * (number // 8)
        save_picture(Image.new("RGB", (48, 32), (shade, 90, 90)), folder / "cells" / f"{number}.png")
        (folder / "cells" / f"{number}.json").write_text(json.dumps(row))
    write_csv(
        folder / "claims.csv", [{"claim": "Adam < SGD", "source": "a paper", "measured": "0.1", "agrees": "mixed"}]
    )
    write_report(folder, QuestionSettings())
    return folder


def test_report_holds_the_answer_the_hash_and_the_figures(reported):
    page, text = ((reported / name).read_text() for name in ("report.html", "report.md"))
    digest = json.loads((reported / "registration.json").read_text())["sha256"]
    for content in (page, text):
        assert digest in content
        assert "Yes: at judge/content 0.65 from a random to the best network judge/style changes by +0.0" in content
        assert "placebo: false alarms" in content
        assert "network within a stage" in content
    assert "too little memory &lt;b&gt;" in page
    assert "Adam &lt; SGD" in page
    for name in ("trajectory", "slopes", "fronts"):
        with Image.open(reported / "figures" / f"{name}.png") as figure:
            assert figure.width > 600
            assert len(figure.convert("L").getcolors()) > 20
        assert f"(figures/{name}.png)" in text


def test_page_is_one_file_that_asks_nothing_of_the_network(reported):
    page = (reported / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "http" not in re.sub(r"data:[^\"']*", "", page)


def test_what_was_registered_is_reported_whatever_is_asked_now(reported):
    before = (reported / "report.md").read_text()
    write_report(reported, QuestionSettings(margin=0.5, level=0.75))
    assert (reported / "report.md").read_text() == before


def test_report_only_needs_results_alone(study_folder, call_command, capsys):
    assert call_command(main, "--report-only", study_folder) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Yes: ")
    assert out[-1] == f"report:  {study_folder / 'report.html'}"
    assert "Nothing was registered" in (study_folder / "report.html").read_text()
    assert sorted(path.name for path in study_folder.iterdir()) == [
        "figures",
        "report.html",
        "report.md",
        "results.csv",
    ]


def test_mistakes_are_one_line(tmp_path, call_command, capsys):
    assert call_command(main, "--report-only", tmp_path) == 2
    assert "results.csv: No such file or directory. Give the folder of a study." in capsys.readouterr().err
    write_csv(tmp_path / "results.csv", [{"backbone": "a", "content": "b", "style": "c"}])
    assert call_command(main, "--report-only", tmp_path) == 2
    assert "no column judge/style, so there is nothing to report" in capsys.readouterr().err
    assert call_command(main, "--report-only", tmp_path, "--pilot") == 2
    assert "--pilot and --report-only are runs of their own" in capsys.readouterr().err


PROBE = """
<script>
window.onerror = message => { document.title = "error: " + message; };
addEventListener("load", () => {
  const said = [];
  const table = [...document.querySelectorAll("table.numbers")].find(t => t.tHead.textContent.includes("at the level"));
  const column = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === "at the level");
  const values = () => [...table.tBodies[0].rows].map(row => parseFloat(row.cells[column].textContent));
  const head = table.tHead.rows[0].cells[column];
  head.click(); const first = values(); head.click(); const second = values();
  const known = first.filter(value => !Number.isNaN(value));
  said.push("sorted " + known.every((value, k) => !k || known[k - 1] >= value), "turned " + (first[0] > second[0]));
  const slider = document.getElementById("network");
  slider.value = slider.max; slider.dispatchEvent(new Event("input"));
  const open = [...document.querySelectorAll(".tiles")].filter(sheet => !sheet.hidden);
  said.push("sheets " + open.length, "caption " + document.getElementById("caption").textContent);
  said.push("broken " + [...document.images].filter(image => !image.complete || !image.naturalWidth).length);
  document.body.insertAdjacentHTML("beforeend", "<pre id=said>" + said.join("; ") + "</pre>");
});
</script>
"""


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")
def test_page_in_a_browser_sorts_slides_and_shows_every_picture(reported, tmp_path):
    page = tmp_path / "page.html"
    page.write_text((reported / "report.html").read_text().replace("</body>", PROBE + "</body>"))
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BROWSER_S, check=True)
    assert "<title>Does a better feature extractor" in done.stdout  # an error of a script would stand there
    (said,) = re.findall(r'<pre id="said">(.*?)</pre>', done.stdout)
    assert said == (
        "sorted true; turned true; sheets 1; caption a0-20, style weight 10, outcome at the level "
        + re.search(r"caption a0-20, style weight 10, outcome at the level (\S+);", said)[1]
        + "; broken 0"
    )
