"""The front page and the documentation: short, and their links lead somewhere."""

import importlib
import importlib.util
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from nstkit.config import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]
    missing = [link for link in links if "://" not in link and link and not (page.parent / link).exists()]
    assert missing == []


def test_front_page_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 900


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in PAGES[1:] if f": {page.name}" not in contents] == []


COMMAND = re.compile(r"^ +(?:pip install uv && )?uv run (?:torchrun \S+ \d )?(?:python )?-m (\S+)(.*)$", re.MULTILINE)
SETTINGS_FILE = re.compile(r"In `(\S+\.toml)`:\n\n((?:(?: {4}(?!uv run).*)?\n)+)")
COMMANDS = [
    pytest.param(page, module, rest.partition("  #")[0], id=f"{page.name}: {module}{rest.partition('  #')[0]}".strip())
    for page in PAGES
    for module, rest in COMMAND.findall(page.read_text().replace("\\\n", ""))
]


@pytest.mark.filterwarnings("ignore:--")  # some flags have an effect only once their example is filled in
@pytest.mark.parametrize(("page", "module", "words"), COMMANDS)
def test_commands_are_understood(page, module, words, monkeypatch, tmp_path):
    parsed = []
    monkeypatch.chdir(tmp_path)
    for name, settings in SETTINGS_FILE.findall(page.read_text()):
        Path(name).write_text(textwrap.dedent(settings))

    def stop(*arguments, **settings):
        parsed.append(parse(*arguments, **settings))
        raise SystemExit(0)

    command = importlib.import_module(
        f"{module}.__main__" if importlib.util.find_spec(f"{module}.__main__") else module
    )
    monkeypatch.setattr(command, "parse", stop)
    monkeypatch.setattr("sys.argv", [module, *shlex.split(words.replace("<run>", "run").replace("...", ""))])
    with pytest.raises(SystemExit):
        command.main()
    assert len(parsed) == 1


def test_there_are_commands():
    assert len(COMMANDS) > 20
