"""Backbones see the pictures of their own split, random ones with batch norm that is settled, also when drawn."""

import dataclasses

import pytest
import torch
from PIL import Image

from nstkit.backbones.batchnorm import settled
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import parse_backbone
from nstkit.datasets import files
from nstkit.quality import report
from nstkit.quality.config import QualityConfig
from nstkit.quality.measuring import PER_TAP, Quality, measure_quality
from nstkit.quality.sample import stratified
from nstkit.runs import Run


def test_pictures_are_split_as_in_the_training(tmp_path, small_vgg, write_run, make_content, textures, monkeypatch):
    calls = []
    monkeypatch.setattr(report, "load_dataset", lambda *words, **more: calls.append((words, more)) or textures)
    split = {"protocol": "15-per-class", "split_seed": 3, "background": "keep"}
    trained = {"dataset": "caltech101", "image_size": 32, **split}
    run = parse_backbone(str(write_run(tmp_path / "run", small_vgg(), config=trained)))
    pictures = report.Pictures(QualityConfig.of(dataset="caltech101", data_dir=tmp_path))
    assert pictures.load(run) == (textures, 32)
    assert pictures.load(run) == (textures, 32)
    pictures.load(parse_backbone("vgg11@random"))
    report.Pictures(QualityConfig.of(dataset="cifar100", data_dir=tmp_path, image_size=64)).load(run)
    assert calls == [
        (("caltech101", tmp_path, 32), split),
        (("caltech101", tmp_path, None), {}),
        (("cifar100", tmp_path, None), {}),  # enlarged when it is looked at
    ]


@pytest.mark.parametrize(("text", "is_settled"), [("vgg11_bn@random", True), ("RUN", False)])
def test_random_batchnorm_gets_statistics_and_a_trained_one_keeps_its_own(text, is_settled, small_run, textures, cpu):
    spec = parse_backbone(text.replace("RUN", str(small_run)))
    backbone = load_backbone(spec)
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    config = QualityConfig.of(limit=8, image_size=32, baseline=False, taps=("relu1_1",))
    quality = report.measure_spec(spec, backbone, textures, config, cpu, "fp32")
    assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers())
    first = textures.train.images[stratified(textures.train.labels, 8)].permute(0, 3, 1, 2) / 255
    found, expected = report.as_measured(backbone, textures, config), settled(backbone, first)
    assert (found is backbone) != is_settled
    for name, value in expected.named_buffers():
        assert torch.equal(dict(found.named_buffers())[name], value), name
    more = {"device": cpu, "precision": "fp32", "taps": config.extractor.taps, "limit": 8, "use_head": "RUN" in text}
    assert quality.values == measure_quality(expected, textures, **more).values
    assert (quality.values == measure_quality(backbone, textures, **more).values) != is_settled


def test_a_random_network_is_drawn_as_it_was_measured(textures, cpu, tmp_path, monkeypatch):
    spec = parse_backbone("vgg11_bn@random")
    backbone = load_backbone(spec)
    config = QualityConfig.of(limit=8, image_size=32, baseline=False, taps=("relu1_1",), runs_dir=tmp_path)
    quality = report.measure_spec(spec, backbone, textures, config, cpu, "fp32")
    shown = {}

    def draw(image, maps):
        shown.update(image=image, **maps)
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(report, "feature_figure", draw)
    with Run(tmp_path / "run", config, {}) as run:
        report.report(run, backbone, textures, quality, config)
    first = textures.train.images[stratified(textures.train.labels, 8)].permute(0, 3, 1, 2) / 255
    expected = settled(backbone, first).features(shown["image"], ["relu1_1"])["relu1_1"]
    assert torch.equal(shown["relu1_1"], expected)
    assert not torch.allclose(backbone.features(shown["image"], ["relu1_1"])["relu1_1"], expected, rtol=0.01)


@pytest.mark.parametrize("has_head", [False, True])
def test_table_has_a_row_a_tap_and_the_random_value_in_brackets(has_head):
    names = [measure.name for measure in PER_TAP]
    values = {f"{name}/relu1_1": 0.25 for name in names} | {name: 0.125 for name in names}
    values |= {tag.replace("extractor/", "random/"): value / 2 for tag, value in values.items() if "probe" in tag}
    values |= {f"extractor/{name}": 0.5 for name in ("top1", "top5", "mean_per_class", "ece")} if has_head else {}
    counts = torch.eye(2, dtype=torch.long) if has_head else None
    quality = Quality(values, ("relu1_1",), torch.arange(2), torch.arange(2) if has_head else None, counts)
    header, tap, style, *head = report.format_table(quality).splitlines()
    assert header.split() == [name.removeprefix("extractor/") for name in names]
    assert tap.split() == ["relu1_1", "0.250", "(0.125)", *["0.250"] * 6]
    assert style.split() == ["style", "taps", "0.125", "(0.062)", *["0.125"] * 6]
    assert head == (["top1 0.500   top5 0.500   mean_per_class 0.500   ece 0.500"] if has_head else [])


def test_another_split_of_the_same_classes_is_said(small_run, textures, recwarn):
    data = dataclasses.replace(textures, name="folder")
    trained = {"dataset": "folder", "train_fraction": 1.0, "label_noise": 0.0, "final_fit": None}
    header = {"config": trained, "classes": list(data.classes), "split": data.split}
    silent = [
        header,
        {**header, "split": "other", "config": {**trained, "train_fraction": 0.5}},
        {**header, "split": "other", "classes": ["x", "y", "z"]},
    ]
    for each in silent:
        report.warn_of_another_split("mine", each, data)
    assert not recwarn
    with pytest.warns(UserWarning, match=r"^mine: these are not the parts .* may be among the test pictures\.$"):
        report.warn_of_another_split("mine", {**header, "split": "other"}, data)


def test_pictures_on_the_disk_give_the_measures_of_those_in_memory(
    small_backbone, textures, on_disk, tmp_path, cpu, monkeypatch
):
    monkeypatch.setattr(files, "cores", lambda: 1)
    streamed = on_disk(textures, tmp_path / "pictures")
    more = {"device": cpu, "precision": "fp32", "taps": ("relu1_1",), "limit": 24}
    found, expected = (measure_quality(small_backbone, data, **more) for data in (streamed, textures))
    assert found.values == expected.values
    assert torch.equal(found.confusion, expected.confusion)
    drawn, wanted = (report.draw(small_backbone, data, found) for data in (streamed, textures))
    assert drawn.keys() == wanted.keys()
    assert all(picture.tobytes() == wanted[name].tobytes() for name, picture in drawn.items())
