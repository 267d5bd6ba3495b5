"""The hash of a key, one key and one word at a time, in Python's own integers."""

from datetime import date

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
LAST_LEVEL = 16

Key = str | int | date


def hash_key(key: Key) -> int:
    """Numbers and dates are one word, their days or their own value; text is its UTF-8 bytes behind its length."""
    if isinstance(key, date):
        return hash_key(key.toordinal() - date(1970, 1, 1).toordinal())
    if isinstance(key, int):
        return _mix((key & WORD) * GOLDEN + GOLDEN)
    octets = key.encode()
    state = len(octets)
    for start in range(0, len(octets), 8):
        state = _mix((state ^ int.from_bytes(octets[start : start + 8], "little")) + GOLDEN)
    return _mix(state + GOLDEN)


def level_of(key: Key) -> int:
    """The leading zero bits of the hash, 16 at most."""
    bits = f"{hash_key(key):064b}"
    return min(LAST_LEVEL, len(bits) - len(bits.lstrip("0")))


def choose_tied(key: Key, tied: list[int], seed: int) -> int:
    """Which of some equally probable classes a key gets."""
    dice = hash_key(hash_key(key) ^ hash_key(seed))
    return tied[dice % len(tied)]


def _mix(x: int) -> int:
    """SplitMix64's finalizer."""
    x &= WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)
