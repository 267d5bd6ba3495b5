"""The rival by hand of the benchmark `pipeline`: two bare Python processes over Parquet files, without sparkws.

Frozen: do not tune. A program of its own; its arguments are the folder to write to and the files of comments.
Each process takes half of the files: it makes the votes of apply_lfs.yaml with polars on one thread, writes
them, and counts their patterns. One fits Dawid and Skene's model with numpy, and both write labels. Ids and
patterns stay in memory in between, which a table much larger than memory would not allow.

Every function here votes one class only, so a pattern is one bit a function.
"""

import os

os.environ.update(POLARS_MAX_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import polars as pl

ABSTAIN, HAM, SPAM = -1, 0, 1
TEXT = pl.col("text")

LINK = ["http://", "https://", "www.", ".com/"]
SUBSCRIBE = ["subscribe", "subscribed", "subscriber", "subscribers", "sub", "subs"]
MY_CHANNEL = ["my channel", "my video", "my videos", "my page", "my cover", "my music", "follow me"]
MONEY = ["free", "win", "winner", "cash", "money", "gift", "giveaway", "prize", "earn", "dollars"]
ASKS = ["please", "plz", "pls", "help me"]
PRAISES = [
    *("love", "beautiful", "amazing", "awesome", "best", "masterpiece", "classic", "incredible", "perfect"),
    *("favorite", "legend", "goosebumps", "song", "music", "voice", "beat"),
]


def words(any_of):
    # The engine's own \b is slow where a text has a letter outside ASCII.
    return TEXT.str.contains(rf"(?i)(?:^|\W)(?:{'|'.join(any_of)})(?:$|\W)")


# In the order of apply_lfs.yaml: name, class, condition. A third of the texts has one of the words at all,
# and only those are looked at closely.
FUNCTIONS = {
    "lf_contains_link": (SPAM, TEXT.str.contains_any(LINK, ascii_case_insensitive=True)),
    "lf_check_out": (SPAM, TEXT.str.contains(r"(?i)\bcheck\b.{0,20}\bout\b")),
    "lf_subscribe": (SPAM, words(SUBSCRIBE)),
    "lf_my_channel": (SPAM, words(MY_CHANNEL)),
    "lf_money": (SPAM, words(MONEY)),
    "lf_asks": (SPAM, words(ASKS)),
    "lf_exclaims": (SPAM, TEXT.str.contains("!!!", literal=True)),
    "lf_short": (HAM, TEXT.str.len_chars() < 20),
    "lf_praises": (HAM, words(PRAISES)),
    "lf_recalls": (HAM, TEXT.str.contains(r"(?i)\b[0-9]{1,2}:[0-9]{2}\b|\bin 20[0-9]{2}\b")),
}
SIEVED = ["lf_contains_link", "lf_check_out", "lf_subscribe", "lf_my_channel", "lf_money", "lf_asks", "lf_praises"]
SIEVE = [*LINK, "check", *SUBSCRIBE, *MY_CHANNEL, *MONEY, *ASKS, *PRAISES]
CLASSES = np.array([vote for vote, _ in FUNCTIONS.values()])
N_PATTERNS = 1 << len(FUNCTIONS)


def main(folder, *files):
    out = Path(folder)
    (out / "votes").mkdir()
    (out / "labels").mkdir()
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=work_along, args=(out, files[1::2], there))
    other.start()
    parts, counts = vote(out, files[0::2])
    table = fit(counts + here.recv())
    here.send(table)
    label(out, parts, table)
    other.join()
    sys.exit(other.exitcode)


def work_along(out, files, pipe):
    """What the second process does."""
    parts, counts = vote(out, files)
    pipe.send(counts)
    label(out, parts, pipe.recv())


def vote(out, files):
    """Write the votes on files, and give the ids and patterns of each, and the counts of all patterns."""
    parts, counts = [], np.zeros(N_PATTERNS, np.int64)
    for file in files:
        items = pl.read_parquet(file, columns=["comment_id", "text"])
        worth_a_look = items["text"].str.contains_any(SIEVE, ascii_case_insensitive=True).to_numpy()
        rows = np.flatnonzero(worth_a_look)
        close = items.select(TEXT.gather(rows)).select(FUNCTIONS[name][1].alias(name) for name in SIEVED)
        wide = items.select(when.alias(name) for name, (_, when) in FUNCTIONS.items() if name not in SIEVED)
        pattern = np.zeros(len(items), np.uint16)
        votes = {"item_id": items["comment_id"]}
        for bit, (name, (vote, _)) in enumerate(FUNCTIONS.items()):
            if name in SIEVED:
                fires = np.zeros(len(items), bool)
                fires[rows] = close[name].to_numpy()
            else:
                fires = wide[name].to_numpy()
            pattern |= fires.astype(np.uint16) << bit
            votes[name] = np.where(fires, np.int8(vote), np.int8(ABSTAIN))
        pl.DataFrame(votes).write_parquet(
            out / "votes" / Path(file).name, compression="zstd", compression_level=1, statistics=False
        )
        counts += np.bincount(pattern, minlength=N_PATTERNS)
        parts.append((Path(file).name, items["comment_id"], pattern))
    return parts, counts


def fit(counts):
    """P(class | pattern) for every pattern, NaN for the one without a vote, by EM from majority vote."""
    fires = (np.arange(N_PATTERNS)[:, None] >> np.arange(len(FUNCTIONS)) & 1).astype(np.float64)
    n_votes = fires.sum(axis=1)
    n_spam = fires[:, CLASSES == SPAM].sum(axis=1)
    spam = np.where(n_votes > 0, n_spam / np.maximum(n_votes, 1), 0.5)
    q = np.stack([1 - spam, spam], axis=1)
    before = -np.inf
    for _ in range(1000):
        mass = counts @ q
        rates = fires.T @ (counts[:, None] * q) / mass
        scores = np.log(mass / mass.sum()) + fires @ logs(rates) + (1 - fires) @ logs(1 - rates)
        top = scores.max(axis=1, keepdims=True)
        total = np.exp(scores - top).sum(axis=1, keepdims=True)
        q = np.exp(scores - top) / total
        likelihood = counts @ (top + np.log(total))[:, 0]
        if likelihood - before <= 1e-7 * (counts @ n_votes):
            break
        before = likelihood
    q[0] = np.nan
    return q


def logs(rates):
    return np.log(np.maximum(rates, 1e-10 * rates.max(axis=1, keepdims=True)))


def label(out, parts, table):
    """Write the labels of the ids of every part."""
    best = np.where(np.isnan(table[:, 0]), ABSTAIN, table.argmax(axis=1)).astype(np.int32)
    of_pattern = pl.DataFrame(
        {
            "probs": pl.Series(table, dtype=pl.Array(pl.Float64, 2)).arr.to_list(),
            "pred": pl.Series(best),
            "confidence": pl.Series(table.max(axis=1)),
        }
    ).with_columns(pl.when(pl.Series(best != ABSTAIN)).then(pl.all()))
    for name, ids, pattern in parts:
        labels = of_pattern.select(pl.all().gather(pattern)).insert_column(0, ids.alias("item_id"))
        labels.write_parquet(out / "labels" / name, compression="zstd", compression_level=1, statistics=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
