import torch

from transfer.judges.local_weights import HUB_FILES, local_specs


def test_only_what_lies_there(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    assert list(local_specs()) == ["carried"]
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / HUB_FILES["squeezenet1_1"]
    file.touch()
    specs = local_specs()
    assert list(specs) == ["squeezenet1_1", "carried"]
    assert specs["squeezenet1_1"].path == file
