"""A process beyond its memory gets a MemoryError, and is as free as before afterwards."""

import subprocess
import sys
from textwrap import dedent

import pytest

from sparkws.engine.memory import default_mib, limited_memory


def run(code):
    ended = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_beyond_the_limit_python_raises_and_goes_on():
    told = run("""
        import resource
        from sparkws.engine.memory import limited_memory
        import numpy as np
        before = resource.getrlimit(resource.RLIMIT_DATA)
        with limited_memory(300):
            small = bytearray(200 << 20)
            for hoard in (lambda: bytearray(200 << 20), lambda: np.ones(40 << 20)):
                try:
                    hoard()
                except MemoryError:
                    print("refused")
            del small
            hoard = bytearray(250 << 20)
            print("fits")
        print("free" if resource.getrlimit(resource.RLIMIT_DATA) == before else "bound")
        bytearray(400 << 20)
    """)
    assert told == ["refused", "refused", "fits", "free"]


def test_a_narrower_limit_stays():
    told = run("""
        import resource
        from sparkws.engine.memory import limited_memory
        narrow = 1 << 30
        resource.setrlimit(resource.RLIMIT_DATA, (narrow, resource.RLIM_INFINITY))
        with limited_memory(64_000):
            print(resource.getrlimit(resource.RLIMIT_DATA)[0] == narrow)
    """)
    assert told == ["True"]


def test_libraries_work_within_the_least_limit():
    """Their allocators reserve more than they use."""
    told = run("""
        from sparkws.engine.worker import limit_threads
        from sparkws.engine.memory import limited_memory
        limit_threads(1)
        with limited_memory(512):
            import numpy as np, polars as pl, pyarrow as pa
            frame = pl.DataFrame({"n": range(1_000_000)}).with_columns(text=pl.col("n").cast(pl.String))
            table = frame.to_arrow()
            print(frame["text"].str.len_chars().sum(), pa.concat_tables([table, table]).num_rows, np.ones(1000).sum())
    """)
    assert told == ["5888890", "2000000", "1000.0"]


def test_where_the_system_does_not_tell_there_is_no_limit(monkeypatch):
    monkeypatch.setattr("sparkws.engine.memory._text", lambda path: "")
    with limited_memory(1):
        assert len(bytearray(64 << 20)) == 64 << 20


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"/sys/fs/cgroup/memory.max": str(32 << 30), "/sys/fs/cgroup/cpu.max": "400000 100000"}, 8192),
        ({"/sys/fs/cgroup/memory.max": str(1 << 30), "/sys/fs/cgroup/cpu.max": "max 100000"}, 2048),
        (
            {
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": str(12 << 30),
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            4096,
        ),
    ],
)
def test_the_default_is_a_core_s_share_of_the_container(monkeypatch, files, expected):
    monkeypatch.setattr("sparkws.engine.memory._text", lambda path: files.get(path, ""))
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 << 18}[name])
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)))
    assert default_mib() == expected
