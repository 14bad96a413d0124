"""How many cores there are: those of the machine that the process may use, or what a container gives it."""

import os

import pytest

from nstkit import cgroups, cores
from nstkit.cores import cores as count_cores
from nstkit.errors import run_command

V2, V1 = "0::/box/job\n", "3:cpu,cpuacct:/box/job\n1:name=systemd:/\n"


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A function that writes the files of control groups, on a machine of 16 cores."""
    monkeypatch.setattr(cgroups, "PROC", tmp_path)
    monkeypatch.setattr(cgroups, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)

    def write(groups, **files):
        (tmp_path / "self").mkdir()
        (tmp_path / "self/cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name.replace("__", "/").replace("cpu_", "cpu.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        *(("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("3200000 100000", 16), ("max 100000", 16)),
        *(("", 16), ("200000", 16), ("many 100000", 16), ("0 100000", 16), ("200000 0", 16), ("-1 100000", 16)),
    ],
)
def test_quota_of_version_2(system, quota, expected):
    system(V2, box__job__cpu_max=quota)
    assert count_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("400000", 4), ("-1", 16)])
def test_quota_of_version_1(system, quota, expected):
    system(V1, cpu__box__job__cpu_cfs_quota_us=quota, cpu__box__job__cpu_cfs_period_us="100000\n")
    assert count_cores() == expected


def test_group_around_counts_where_it_gives_less(system):
    system(V2, box__job__cpu_max="800000 100000", box__cpu_max="300000 100000", cpu_max="max 100000")
    assert count_cores() == 3


def test_group_that_is_mounted_as_the_outermost_one(system):
    """As in a container of version 1, whose own group has its path on the host."""
    system(V1, cpu__cpu_cfs_quota_us="250000", cpu__cpu_cfs_period_us="100000")
    assert count_cores() == 3


def test_machine_without_control_groups(system):
    assert count_cores() == 16


def test_processes_of_torchrun_share_what_there_is(system, monkeypatch):
    system(V2, box__job__cpu_max="800000 100000")
    for processes, expected in ((1, 8), (4, 2), (32, 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        assert count_cores() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
    ids=["nothing", "turns", "policy"],
)
def test_a_command_lets_idle_threads_give_their_core_away(given, expected, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is put back in the end
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    seen = []
    run_command(lambda: seen.append(os.environ.get("GOMP_SPINCOUNT")))
    assert seen == [expected]
