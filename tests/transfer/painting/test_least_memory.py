import pytest

from nstkit import memory
from nstkit.errors import UserError
from transfer.painting import least_memory
from transfer.painting.least_memory import check_least_memory, least_bytes
from transfer.painting.settings import OptimizationSettings

LBFGS = OptimizationSettings(canvas="pixels", optimizer="lbfgs", steps=100, scales=1, history=30)


def test_pictures_canvas_and_the_steps_that_lbfgs_remembers_at_the_least():
    pixels = 30 * 40
    assert least_bytes((30, 40), [(20, 10)], LBFGS) == (pixels * (1 + 4 + 2 * 5) + 200) * 12
    assert least_bytes((30, 40), [], LBFGS.changed(history=3)) == pixels * (1 + 4 + 2 * 3) * 12
    adam = OptimizationSettings(optimizer="adam", steps=100, scales=1)
    assert least_bytes(None, [(30, 40)], adam) == pixels * 5 * 12


def test_a_gigantic_picture_is_refused_on_a_cpu(monkeypatch):
    monkeypatch.setattr(least_memory, "free_memory_bytes", lambda *_: 2**32)
    monkeypatch.setattr(least_memory, "may_have_gpu", lambda: False)
    with pytest.raises(UserError, match=r"20000 px with any network takes at least .* GiB of memory, and 4 GiB are"):
        check_least_memory((15000, 20000), [(512, 512)], LBFGS, "auto")
    check_least_memory((384, 512), [(512, 512)], LBFGS, "auto")


def test_with_a_gpu_nothing_is_said_before_torch_is_asked(monkeypatch):
    monkeypatch.setattr(least_memory, "free_memory_bytes", lambda *_: 2**32)
    monkeypatch.setattr(least_memory, "may_have_gpu", lambda: True)
    check_least_memory((15000, 20000), [], LBFGS, "auto")
    check_least_memory((15000, 20000), [], LBFGS, "cuda")
    with pytest.raises(UserError):
        check_least_memory((15000, 20000), [], LBFGS, "cpu")


def test_a_driver_of_a_gpu_is_seen(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.os.path, "exists", lambda path: path == "/dev/kfd")
    assert memory.may_have_gpu()
    monkeypatch.setattr(memory.os.path, "exists", lambda path: False)
    assert not memory.may_have_gpu()
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.may_have_gpu()
