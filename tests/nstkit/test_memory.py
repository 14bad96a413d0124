"""Free memory is the least of what the machine and the container have left."""

import os

import pytest

from nstkit import cgroups, memory

GIB = 2**30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A function that writes the system's files; without them there are none."""
    for module in (memory, cgroups):
        monkeypatch.setattr(module, "PROC", tmp_path)
    monkeypatch.setattr(cgroups, "CGROUPS", tmp_path / "cgroup")

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("memory_", "memory.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


MEMINFO = f"MemTotal: {16 * 2**20} kB\nMemAvailable: {8 * 2**20} kB\nHugePages_Total: 0\n"


def test_machine_without_a_container(system):
    system(meminfo=MEMINFO)
    assert memory.free_memory_bytes() == 8 * GIB


@pytest.mark.parametrize(("limit", "expected"), [(str(4 * GIB), 2 * GIB), (str(20 * GIB), 8 * GIB), ("max\n", 8 * GIB)])
def test_container_counts_where_it_is_less(system, limit, expected):
    stat = f"anon 5\ninactive_file {GIB}\n"
    system(meminfo=MEMINFO, cgroup__memory_max=limit, cgroup__memory_current=str(3 * GIB), cgroup__memory_stat=stat)
    assert memory.free_memory_bytes() == expected  # the cache of files, 1 GiB, can be had back


def test_container_of_version_1(system):
    files = {"limit_in_bytes": 4 * GIB, "usage_in_bytes": 2 * GIB, "stat": f"total_inactive_file {GIB}\n"}
    system(meminfo=MEMINFO, **{f"cgroup__memory__memory_{name}": str(value) for name, value in files.items()})
    assert memory.free_memory_bytes() == 3 * GIB


def test_full_container_has_nothing_left(system):
    system(meminfo=MEMINFO, cgroup__memory_max="5", cgroup__memory_current="7", cgroup__memory_stat="")
    assert memory.free_memory_bytes() == 0


def test_other_systems_have_half_of_their_memory(system, monkeypatch):
    assert memory.free_memory_bytes() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    monkeypatch.delattr(os, "sysconf")
    assert memory.free_memory_bytes() == 4 * GIB


@pytest.mark.parametrize("version", [1, 2])
def test_groups_that_the_process_is_in_count_up_to_the_outermost(system, version):
    # A job of a scheduler: 6 GiB for the job, 4 GiB for its step, of which 1 GiB is used.
    names = ("memory_limit_in_bytes", "memory_usage_in_bytes") if version == 1 else ("memory_max", "memory_current")
    root = "cgroup__memory__jobs" if version == 1 else "cgroup__jobs"
    system(meminfo=MEMINFO, self__cgroup="4:cpu,memory:/jobs/step\n" if version == 1 else "0::/jobs/step\n")
    if version == 1:  # controllers that are mounted together have links by their own names
        assert memory.free_memory_bytes() == 8 * GIB
    for group, limit in ((root, 6 * GIB), (f"{root}__step", 4 * GIB)):
        values = dict(zip(names, (str(limit), str(GIB)), strict=True))
        system(**{f"{group}__{name}": value for name, value in values.items()}, **{f"{group}__memory_stat": ""})
    assert memory.free_memory_bytes() == 3 * GIB


def test_limit_of_the_address_space_counts(system, monkeypatch):
    resource = pytest.importorskip("resource")
    system(meminfo=MEMINFO, self__statm=f"{2 * GIB // resource.getpagesize()} 1 1 1 0 1 0")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (3 * GIB, 3 * GIB))
    assert memory.free_memory_bytes() == GIB
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert memory.free_memory_bytes() == 8 * GIB


def test_a_limit_holds_for_all_that_the_process_has(system):
    resource = pytest.importorskip("resource")
    system(meminfo=MEMINFO, self__statm=f"1 {GIB // resource.getpagesize()} 1 1 0 1 0")
    assert memory.free_memory_bytes(None, 5.5) == 4.5 * GIB
    assert memory.free_memory_bytes(None, 100.0) == 8 * GIB
    assert memory.free_memory_bytes(None, 0.5) == 0


def test_demand_is_refused_by_a_clear_factor_and_a_border_case_warned_of(user_error):
    def demand(needed):
        return memory.Demand("Painting at 9000 px", needed * GIB // 10, GIB, "Lower --size.")

    demand(8).check()
    with pytest.warns(UserWarning, match="It may just fit"):
        demand(12).check()
    with user_error("Painting at 9000 px takes about 1.4 GiB of memory, and 1 GiB are free. Lower --size."):
        demand(14).check()
