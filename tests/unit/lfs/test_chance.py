"""Calls of chance, clock and network, found however they are written; what is made with a seed is none."""

import datetime as dt
import random
import time
import uuid
from datetime import date, datetime
from random import choice
from time import time as now

import numpy as np
import pytest

from sparkws.errors import InvalidFunction
from sparkws.lfs import LFSet, labeling_function, preprocessor
from sparkws.lfs.chance import changing_calls, refuse_chance

CLOCK = time


def inner(x):
    from secrets import token_hex as token

    import numpy.random

    return numpy.random.rand() + len(token())  # noqa: NPY002


@pytest.mark.parametrize(
    ("f", "calls"),
    [
        (lambda x: random.random() < 0.5, ["random.random"]),
        (lambda x: choice([0, 1]), ["random.choice"]),
        (lambda x: now() > 3, ["time.time"]),
        (lambda x: CLOCK.time_ns(), ["time.time_ns"]),
        (lambda x: datetime.now().hour, ["datetime.datetime.now"]),
        (lambda x: dt.datetime.utcnow(), ["datetime.datetime.utcnow"]),
        (lambda x: date.today().year, ["datetime.date.today"]),
        (lambda x: uuid.uuid4().int % 2, ["uuid.uuid4"]),
        (lambda x: np.random.rand() > 1, ["numpy.random.rand"]),  # noqa: NPY002
        (inner, ["numpy.random.rand", "secrets.token_hex"]),
        (lambda x: random.Random(x.n).random() < 0.5, []),
        (lambda x: np.random.default_rng(3).random(), []),
        (lambda x: datetime.strptime(x.day, "%Y") > dt.datetime(2020, 1, 1), []),
        (lambda x: time.strptime(x.day, "%Y"), []),
        (lambda x: x.random() + x.time.time(), []),
        (len, []),
    ],
)  # fmt: skip
def test_calls_that_answer_otherwise_each_time(f, calls):
    assert sorted(changing_calls(f)) == calls


def test_a_function_that_is_not_declared_so_is_refused():
    @labeling_function
    def lf_rare(x):
        return 1 if x.text == "rare" and random.random() < 0.5 else -1

    with pytest.raises(InvalidFunction, match=r"'lf_rare' calls random\.random\(\), so its votes would differ"):
        refuse_chance(LFSet([lf_rare]))


def test_what_runs_before_a_function_counts_and_a_declaration_lets_it_pass():
    @preprocessor
    def with_hour(x):
        x.hour = datetime.now().hour
        return x

    def lf_night(x):
        return 1 if x.hour < 6 else -1

    with pytest.raises(InvalidFunction, match=r"'lf_night' calls datetime\.datetime\.now\(\)"):
        refuse_chance(LFSet([labeling_function(pre=[with_hour])(lf_night)]))
    refuse_chance(LFSet([labeling_function(pre=[with_hour], deterministic=False)(lf_night)]))
