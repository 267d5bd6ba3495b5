"""A limit on the memory of a Python worker, so that a function that takes all of it does not take the machine's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
_LEAST_MIB: Final = 2048  # below it ordinary work does not fit, whatever the machine has for a core


@contextmanager
def limited_memory(mib: int | None) -> Iterator[None]:
    """Let this process use so many MiB while the body runs; a share of the machine by default.

    Beyond it Python raises MemoryError; native code, as that of polars, ends the process. Files that are
    mapped into memory do not count, nor what an allocator has reserved and not used when the body starts.
    There is no limit where the system knows none (Windows, macOS) or has a narrower one.
    """
    taken = _taken_bytes()
    if taken is None:
        yield
        return
    import resource  # where /proc tells, the module exists

    reserved, used = taken
    limit = (default_mib() if mib is None else mib) * MIB + max(0, reserved - used)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [bound for bound in (soft, hard, limit) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def default_mib() -> int:
    """The memory of the machine, or of the container that it is, for each core; 2 GiB at least."""
    return max(_LEAST_MIB, int(_machine_bytes() / _n_cores()) // MIB)


def _taken_bytes() -> tuple[int, int] | None:
    """What this process has of private memory: reserved, and used of it; None where the system does not tell."""
    status = _text("/proc/self/status")
    told = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmData" not in told or "RssAnon" not in told:
        return None
    reserved, used = (int(told[name].split()[0]) << 10 for name in ("VmData", "RssAnon"))
    return reserved, used


def _machine_bytes() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_text("/sys/fs/cgroup/memory.max"), _text("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    return min([whole, *(int(limit) for limit in limits if limit.isdigit())])


def _n_cores() -> float:
    """The cores that this process may use, by its container's share where it has one."""
    cores = float(len(os.sched_getaffinity(0)))
    quota, _, period = _text("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota = _text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = _text("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1.0, int(quota) / int(period)))
    return cores


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
