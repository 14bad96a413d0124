"""Lists of tasks: done here, or by processes of Ray, one of which is killed."""

import os
import signal
import sys

import pytest

from nstkit.errors import UserError
from transfer.config import WorkerSettings
from transfer.jobs.cluster import connect
from transfer.jobs.crew import open_crew
from transfer.jobs.work import Lost


class Doubler:
    """Doubles numbers; ends its process at a number for which a file is there, and once for each."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, task):
        name, is_fatal = task
        if name == "wrong":
            raise UserError("--x: wrong.")
        deaths = len(list(self.folder.glob(f"{name}-*")))
        if is_fatal or (name == "once" and not deaths):
            (self.folder / f"{name}-{deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return name * 2, os.getpid()


def build(folder):
    return lambda: Doubler(folder)


def test_without_workers_it_is_this_process_in_order(tmp_path):
    with open_crew(build(tmp_path), WorkerSettings(), "cpu") as crew:
        assert list(crew.work([("a", False), ("b", False)])) == [(0, ("aa", os.getpid())), (1, ("bb", os.getpid()))]


def test_without_ray_it_is_said_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r"--workers 2 needs Ray: pip install 'nstkit\[grid\]'"),
        open_crew(build(tmp_path), WorkerSettings(workers=2), "cpu"),
    ):
        pass


def test_task_of_a_killed_process_is_done_again_and_given_up_in_the_end(tmp_path, two_workers):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    before = signal.getsignal(signal.SIGTERM)
    with open_crew(build(tmp_path), two_workers, "cpu") as crew:
        done = dict(crew.work([("a", False), ("once", False), ("b", False), ("fatal", True), ("c", False)]))
        assert [done[n][0] for n in (0, 1, 2, 4)] == ["aa", "onceonce", "bb", "cc"]
        assert isinstance(done[3], Lost)
        assert "3 times" in done[3].reason
        assert sorted(path.name for path in tmp_path.iterdir()) == ["fatal-0", "fatal-1", "fatal-2", "once-0"]
        assert os.getpid() not in {pid for _, pid in (done[n] for n in (0, 1, 2, 4))}
        with pytest.raises(UserError, match=r"^--x: wrong\.$"):
            list(crew.work([("wrong", False)]))
    assert signal.getsignal(signal.SIGTERM) is before


def test_cluster_that_is_not_there_is_one_line():
    class NoCluster:
        @staticmethod
        def init(**_):
            raise ConnectionError("nobody answers\nin many lines")

    with pytest.raises(UserError) as error:
        connect(NoCluster, "127.0.0.1:1", 2)
    assert (
        str(error.value) == "--ray-address 127.0.0.1:1: no cluster there (nobody answers). Try again, or leave it out."
    )


def test_cluster_of_a_busy_machine_is_begun_again():
    class Busy:
        begun = 0

        @classmethod
        def init(cls, **_):
            cls.begun += 1
            if cls.begun < 3:
                raise Exception("The current node timed out during startup.")

        @staticmethod
        def shutdown():
            pass

    connect(Busy, None, 2)
    assert Busy.begun == 3
    Busy.begun = -9
    with pytest.raises(UserError, match=r"--workers: Ray does not begin here \(The current node timed out"):
        connect(Busy, None, 2)
    assert Busy.begun == -5
