"""Without a network the hub's library is not asked again and again: its cache is read, and nothing else."""

import socket

import pytest
from huggingface_hub import constants, utils

from nstkit.backbones import hub


class Session:
    """A client that finds the hub, or does not."""

    def __init__(self, error=None):
        self.error = error

    def head(self, url, timeout):
        assert 0 < timeout <= 5
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(("error", "is_offline"), [(OSError("no route"), True), (None, False)])
def test_cache_alone_is_read_where_the_hub_is_away(error, is_offline, monkeypatch):
    monkeypatch.setattr(utils, "get_session", lambda: Session(error))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    before = socket.getdefaulttimeout()
    with hub.answers_at_once():
        assert constants.HF_HUB_OFFLINE is is_offline
        assert socket.getdefaulttimeout() == hub.STALL_S
    assert constants.HF_HUB_OFFLINE is False
    assert socket.getdefaulttimeout() == before


def test_network_of_the_hub_fails_in_one_line(monkeypatch, user_error, tmp_path):
    from nstkit.backbones.load import load_as_is

    monkeypatch.setattr(utils, "get_session", lambda: Session(OSError("no route")))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    reason = "not on this machine, and Hugging Face cannot be reached"
    with user_error("--backbone hf-hub:timm/test_resnet.r160_in1k", reason):
        load_as_is("timm/test_resnet.r160_in1k")
