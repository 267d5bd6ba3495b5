"""The hash is defined down to the byte: levels and random ties of published tables hang on these numbers."""

import datetime as dt
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkws.errors import InvalidKeys
from sparkws.hashing import check_key_type, hash_keys, levels
from sparkws.vocab import MAX_LEVEL

_64 = 2**64 - 1


def _mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _64
    return x ^ (x >> 31)


def _hash_word(value: int) -> int:
    return _mix((value * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & _64)


def _hash_bytes(key: bytes) -> int:
    state = len(key)
    padded = key + bytes(-len(key) % 8)
    for (word,) in struct.iter_unpack("<Q", padded):
        state = _mix(((state ^ word) + 0x9E3779B97F4A7C15) & _64)
    return _mix((state + 0x9E3779B97F4A7C15) & _64)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", 0xE220A8397B1DCDAF),
        ("a", 0xC1E5E0204F6DC8C7),
        ("item-17", 0x174A44F9F972D4F8),
        ("12345678", 0xF45ECC6817441404),
        ("123456789", 0x487BCDA96DEB1EED),
        ("Zürich ☃", 0x612FE6B3E20531DB),
        (0, 0xE220A8397B1DCDAF),
        (1, 0x6E789E6AA1B965F4),
        (-1, 0x0000000000000000),
        (2**63 - 1, 0x25C26EA579CEA98A),
        (-(2**63), 0x481EC0A212A9F3DB),
    ],
)
def test_known_values(key, expected):
    assert int(hash_keys(pl.Series([key]))[0]) == expected


@given(st.lists(st.text(max_size=40)))
def test_texts_hash_as_the_definition_says(keys):
    assert hash_keys(pl.Series(keys, dtype=pl.String)).tolist() == [_hash_bytes(key.encode()) for key in keys]


@given(st.lists(st.binary(max_size=300)))
def test_bytes_hash_as_the_definition_says(keys):
    assert hash_keys(pl.Series(keys, dtype=pl.Binary)).tolist() == [_hash_bytes(key) for key in keys]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers_hash_as_the_definition_says(keys):
    assert hash_keys(pl.Series(keys, dtype=pl.Int64)).tolist() == [_hash_word(key) for key in keys]


@pytest.mark.parametrize("length", [255, 256, 257, 1000])
def test_long_keys_hash_alike_on_both_sides_of_the_limit(length):
    keys = [chr(97 + i) * length for i in range(3)]
    assert hash_keys(pl.Series(keys)).tolist() == [_hash_bytes(key.encode()) for key in keys]


def test_the_width_of_an_integer_does_not_matter():
    for dtype in (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64):
        wide, narrow = (hash_keys(pl.Series([0, 1, 127], dtype=d)) for d in (pl.Int64, dtype))
        assert wide.tolist() == narrow.tolist()
    assert hash_keys(pl.Series([-5], dtype=pl.Int8)).tolist() == hash_keys(pl.Series([-5], dtype=pl.Int64)).tolist()


def test_an_integer_its_negative_and_its_text_differ():
    hashes = {int(hash_keys(pl.Series([key]))[0]) for key in (1, -1, "1", "-1")}
    assert len(hashes) == 4


def test_dates_hash_as_days_and_timestamps_as_microseconds():
    day = pl.Series([dt.date(2026, 11, 23), dt.date(1969, 12, 31)])
    assert hash_keys(day).tolist() == [_hash_word(20_780), _hash_word(-1)]
    moment = dt.datetime(2026, 11, 23, 12, 0, 0, 1000)
    micros = (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    for unit in ("ms", "us", "ns"):
        for zone in (None, "UTC"):
            keys = pl.Series([moment], dtype=pl.Datetime(unit)).dt.replace_time_zone(zone)
            assert hash_keys(keys).tolist() == [_hash_word(micros)]


def test_slices_chunks_and_categories_hash_as_the_texts_they_hold():
    keys = pl.Series([f"item-{i}" * (i % 5) for i in range(1000)])
    expected = hash_keys(keys)
    chunked = pl.concat([keys[:10], keys[10:10], keys[10:700], keys[700:]], rechunk=False)
    assert chunked.n_chunks() > 1
    assert hash_keys(chunked).tolist() == expected.tolist()
    assert hash_keys(keys[123:456]).tolist() == expected[123:456].tolist()
    assert hash_keys(keys.reverse()).tolist() == expected[::-1].tolist()
    assert hash_keys(keys.cast(pl.Categorical)).tolist() == expected.tolist()
    assert hash_keys(keys.cast(pl.Binary)).tolist() == expected.tolist()
    numbers = pl.Series(range(100))
    assert hash_keys(pl.concat([numbers[:3], numbers[3:]], rechunk=False)).tolist() == hash_keys(numbers).tolist()


@pytest.mark.parametrize(
    ("dtype", "shown", "instead"),
    [
        (pl.Float64(), "Float64: equal items may differ", "CAST(`k` AS STRING)"),
        (pl.Float32(), "Float32: equal items may differ", "CAST(`k` AS STRING)"),
        (pl.Datetime("us"), "times of no zone", "CAST(`k` AS TIMESTAMP)"),
        (pl.Struct({"a": pl.Int64()}), "Struct({'a': Int64}): a key is one value", "to_json(`k`)"),
        (pl.List(pl.String()), "List(String): a key is one value", "to_json(`k`)"),
        (pl.Null(), "Null: every row is NULL", "CAST(`k` AS STRING)"),
        (pl.Duration("us"), "Duration(time_unit='us'): it does not tell items apart", "CAST(`k` AS STRING)"),
    ],
)
def test_a_type_that_cannot_be_a_key_is_refused_with_what_to_do(dtype, shown, instead):
    with pytest.raises(InvalidKeys) as caught:
        check_key_type("the items", "k", dtype)
    assert "key column 'k' of 'the items' is " in str(caught.value)
    assert shown in str(caught.value)
    assert f"'key_expression: {instead}'" in str(caught.value)


@pytest.mark.parametrize(
    "dtype",
    [
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.String(), pl.Binary(), pl.Boolean(), pl.Date()),
        *(pl.Datetime("us", "UTC"), pl.Decimal(5, 2), pl.Decimal(38, 10)),
    ],
)
def test_every_other_type_of_delta_is_a_key(dtype):
    check_key_type("the items", "k", dtype)


def test_no_keys_have_no_hashes():
    for dtype in (pl.String, pl.Int64, pl.Binary, pl.Date):
        assert hash_keys(pl.Series([], dtype=dtype)).shape == (0,)


def test_keys_are_left_as_they_were():
    keys = pl.Series(["a", "bb"])
    hash_keys(keys)
    assert keys.to_list() == ["a", "bb"]


@pytest.mark.parametrize(
    "keys",
    [pl.Series(range(100_000)), pl.Series([f"tweets-{i}" for i in range(100_000)])],
    ids=["counted", "numbered texts"],
)
def test_every_bit_is_as_often_one_as_zero(keys):
    hashes = hash_keys(keys)
    assert len(np.unique(hashes)) == len(keys)
    # (n, 1) hashes and (64,) bits -> (n, 64): bit j of hash i
    bits = (hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    # Five standard deviations of the mean of 100,000 coins is 0.008.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.008
    # The bits that levels count are independent: no pair correlates by more than five deviations.
    together = np.corrcoef(bits[:, -MAX_LEVEL:].astype(np.float32), rowvar=False) - np.eye(MAX_LEVEL)
    assert np.abs(together).max() < 0.016


def test_levels_count_the_leading_zeros():
    shifted = [2**64 - 1] + [2 ** (63 - bit) for bit in range(64)] + [2 ** (63 - bit) + 1 for bit in range(60)] + [0]
    rng = np.random.default_rng(5)
    some = rng.integers(0, 2**64, 20_000, np.uint64) >> rng.integers(0, 64, 20_000, np.uint64)
    hashes = np.concatenate([np.array(shifted, np.uint64), some])
    naive = [min(64 - int(value).bit_length(), MAX_LEVEL) for value in hashes]
    assert levels(hashes).tolist() == naive
    assert levels(hashes).dtype == np.int8


def test_levels_are_samples_of_halving_size():
    found = levels(hash_keys(pl.Series([f"item-{i}" for i in range(1 << 17)])))
    for level in range(8):
        expected = (1 << 17) / 2**level
        # Five standard deviations of a binomial count.
        assert abs((found >= level).sum() - expected) <= 5 * expected**0.5
