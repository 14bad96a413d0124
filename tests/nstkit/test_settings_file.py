"""Files of settings: written by every editor, in sections or not, and never able to have code run."""

import importlib
import json

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from nstkit.quality.config import QualityConfig
from train_backbone.config import TrainConfig
from transfer.claims.config import ClaimsConfig
from transfer.config import TransferConfig
from transfer.judges.config import JudgesConfig
from transfer.study.config import StudyConfig

TOML = '# grün\r\nsize = 64\r\ncontent = ["grün.png"]\r\n'
JSON = '{"size": 64,\r\n "content": ["grün.png"]}\r\n'


def read(path, cls=TransferConfig, *words):
    return parse(cls, "x", ["--config", str(path), *words])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(("name", "text"), [("s.toml", TOML), ("S.TOML", TOML), ("s.json", JSON), ("s.txt", JSON)])
def test_file_of_every_editor(tmp_path, encoding, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    pictures = read(path).pictures
    assert (pictures.size, [str(content) for content in pictures.content]) == (64, ["grün.png"])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("latin.toml", "# grün\nsize = 64".encode("cp1252"), "not valid JSON or TOML ('utf-8' codec"),
        ("deep.json", b'{"a":' * 100_000, "not valid JSON or TOML (maximum recursion depth"),
        ("deep.toml", b"a = " + b"[" * 100_000, "not valid JSON or TOML ("),
        ("digits.json", b'{"size": ' + b"9" * 5000 + b"}", "not valid JSON or TOML (Exceeds the limit"),
        ("empty.json", b"", "not valid JSON or TOML ("),
        ("folder.json", None, "Is a directory"),
        ("twice.json", b'{"style-weight": 3, "style_weight": 4}', "style_weight stands there twice"),
        ("both.toml", b"size = 64\n[pictures]\nsize = 96", "size stands there twice"),
    ],
)
def test_file_that_cannot_be_read_is_one_line(tmp_path, name, content, said):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"--config {path}: {said}")
    assert "\n" not in str(error.value)


def test_settings_may_stand_below_their_group(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('size = 64\n[losses]\nloss = "gatys"\nstyle-weight = 3\n[optimization]\nsteps = 7\n')
    config = read(path)
    assert config == TransferConfig.of(size=64, loss="gatys", style_weight=3.0, steps=7, config=path)
    path.write_text("[loss]\nsteps = 7\n")
    with pytest.raises(UserError, match=r"not allowed: --loss .* \(relative, gatys, neural-style, keras, tensorflow\)"):
        read(path)


# Code


@pytest.mark.parametrize(
    ("cls", "module"),
    [
        (TrainConfig, "train_backbone.__main__"),
        (TransferConfig, "transfer.__main__"),
        (StudyConfig, "transfer.study.__main__"),
        (QualityConfig, "nstkit.quality.__main__"),
    ],
)
def test_code_that_a_file_names_is_not_run(cls, module, tmp_path, monkeypatch, call_command, capsys):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "config.json"
    given = settings_of(cls.of(arch="evil:build", runs_dir=tmp_path / "runs"))
    path.write_text(json.dumps({**given, "given": given, "environment": {}}))  # as a run has it
    main = importlib.import_module(module).main
    for words in ([], ["--seed", "1"]):
        assert call_command(main, "--config", path, *words) == 2
        flag = "--arch evil:build"
        assert capsys.readouterr().err == (
            f"error: --config {path}: {flag} is code, which no file has run. Give {flag} as a flag beside it.\n"
        )
    assert not (tmp_path / "it-ran").exists()
    assert parse(cls, "x", ["--config", str(path), "--arch", "evil:build"]).flat()["arch"] == "evil:build"
    assert parse(cls, "x", ["--config", str(path), "--arch", "vgg11"]).flat()["arch"] == "vgg11"


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (TransferConfig, "backbone", ["vgg19", "evil:build"]),
        (TransferConfig, "backbone", ["evil:build@a.pt"]),
        (TransferConfig, "judge", ["evil:build"]),
        (StudyConfig, "backbone", ["evil:build"]),
        (QualityConfig, "backbone", ["evil:build"]),
        (JudgesConfig, "judge", ["evil:build"]),
        (JudgesConfig, "painter", ["evil:build"]),
        (ClaimsConfig, "own", "evil:build"),
        (TrainConfig, "dataset", "evil:build"),
        (QualityConfig, "dataset", "evil:build"),
    ],
)
@pytest.mark.filterwarnings("ignore:--painter .* is not used")
def test_no_network_and_no_data_set_of_a_file_is_code(cls, name, value, tmp_path, user_error):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({name: value}))
    with user_error(f"--config {path}", "is code, which no file has run"):
        read(path, cls)
    words = value if isinstance(value, list) else [value]
    given = parse(cls, "x", ["--config", str(path), f"--{name}", *words, "--print-config"]).flat()[name]
    assert given == (tuple(value) if isinstance(value, list) else value)


def test_network_that_is_no_code_comes_from_a_file(tmp_path):
    path = tmp_path / "s.json"
    path.write_text('{"arch": "resnet18"}')
    assert read(path, TrainConfig).network.arch == "resnet18"
    names = ["vgg19@random:3", "torchvision:vgg19", "hf-hub:owner/name", "timm/resnet18.a1_in1k"]
    path.write_text(json.dumps({"backbone": names}))
    assert read(path, TransferConfig).network.backbone == tuple(names)
