"""What crosses the border to a worker: errors as text, programs as bytes behind the number of threads."""

import os
import resource
import subprocess
import sys
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparkws import errors
from sparkws.engine import worker
from sparkws.engine.worker import (
    Care,
    WorkerError,
    carry,
    crash_file,
    decode_error,
    encode_error,
    limit_threads,
    pass_over_imports,
)

kinds = st.sampled_from(
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SparkwsError)]
)
around = st.text(st.characters(exclude_characters="<>"))


@given(kinds, st.text(), around, around)
@example(errors.ConfigError, "a file called sparkws-error< or >sparkws-error", "", "")
def test_an_error_survives_a_stack_trace(kind, message, before, after):
    told = encode_error(kind(message))
    assert told.splitlines()[-1].isascii()
    assert told.startswith(f"{kind.__name__}: ")
    trace = f"{before}\norg.apache.spark: {told}\n\tat {after}\nCaused by: {told}"
    found = decode_error(trace)
    assert type(found) is kind
    assert str(found) == message


def test_what_an_error_knows_survives_with_it():
    error = errors.CompiledVotesDiffer("'lf_a' votes otherwise")
    error.lf = "lf_a"
    assert decode_error(encode_error(error)).lf == "lf_a"


@given(st.text())
def test_another_text_holds_no_error_of_ours(text):
    assert decode_error(text) is None


def test_half_an_error_is_none():
    told = encode_error(errors.InvalidVote("'lf_a' voted 5"))
    assert decode_error(told[:-5]) is None
    assert decode_error(told[told.index("<") :]) is None


def test_an_error_of_a_project_comes_back_as_its_parent():
    class Ours(errors.SparkwsError):
        pass

    found = decode_error(encode_error(Ours("strange")))
    assert type(found) is errors.SparkwsError
    assert str(found) == "strange"


def test_the_death_of_a_worker_is_an_error_of_ours():
    found = decode_error("SparkException: Python worker exited unexpectedly (crashed): Fatal Python error: Aborted\n")
    assert type(found) is errors.WorkerDied
    assert "outside labeling functions (Aborted)" in str(found)


def test_the_crash_file_is_that_of_this_process(monkeypatch):
    monkeypatch.setenv("PYTHON_FAULTHANDLER_DIR", "/crashes")
    assert str(crash_file()) == f"/crashes/{os.getpid()}"
    monkeypatch.delenv("PYTHON_FAULTHANDLER_DIR")
    assert crash_file() is None


def test_a_program_that_runs_in_no_task_has_no_limit_on_memory():
    def limit(batches):
        yield resource.getrlimit(resource.RLIMIT_DATA)

    before = resource.getrlimit(resource.RLIMIT_DATA)
    assert list(carry(limit, Care(memory_mib=300))(iter([]))) == [before]


def test_a_carrier_turns_our_errors_into_text_and_lets_others_pass():
    def refuses(batches):
        raise errors.InvalidVote(f"'lf_ü' voted {sum(batches)}\nin row 3")
        yield

    def breaks(batches):
        raise KeyError("url")
        yield

    with pytest.raises(WorkerError, match="sparkws-error<") as caught:
        list(carry(refuses)(iter([2, 3])))
    found = decode_error(str(caught.value))
    assert type(found) is errors.InvalidVote
    assert str(found) == "'lf_ü' voted 5\nin row 3"
    with pytest.raises(KeyError, match="url"):
        list(carry(breaks)(iter([])))


def test_a_carrier_streams():
    def doubled(batches):
        for batch in batches:
            yield 2 * batch

    asked = iter([1, 2, 3])
    got = carry(doubled)(asked)
    assert (next(got), next(asked)) == (2, 2)


def test_threads_are_limited_by_the_environment(monkeypatch):
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "8")
    limit_threads(3)
    assert os.environ["POLARS_MAX_THREADS"] == os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"


def test_threads_are_limited_before_a_program_is_loaded(monkeypatch):
    """A fresh interpreter unpickles a program that looks around while it is loaded."""
    code = """
        import os, sys
        from pyspark import cloudpickle
        from sparkws.engine.worker import Carrier

        def look():
            seen = {"threads": os.environ.get("POLARS_MAX_THREADS"), "polars": "polars" in sys.modules}
            def program(batches):
                import polars
                yield {**seen, "pool": polars.thread_pool_size(), "batches": list(batches)}
            return program

        class Looks:
            def __reduce__(self):
                return look, ()

        carrier = Carrier(cloudpickle.dumps(Looks()))
        assert "polars" not in sys.modules
        print(next(carrier(iter([1, 2]))))
    """
    monkeypatch.setenv("POLARS_MAX_THREADS", "7")
    ended = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == str({"threads": "1", "polars": False, "pool": 1, "batches": [1, 2]})


def test_what_modules_hold_is_collected_once_for_each_number_of_them(monkeypatch):
    frozen = []
    monkeypatch.setattr(worker.gc, "freeze", lambda: frozen.append(True))
    pass_over_imports.cache_clear()
    for n_modules in (5, 5, 9, 9, 5):
        pass_over_imports(n_modules)
    assert len(frozen) == 2
    pass_over_imports.cache_clear()
