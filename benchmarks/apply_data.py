"""The generated comments of the benchmark `apply`, the same in every run. Frozen: do not tune.

About 60 bytes each, in the manner of comments under music videos: words drawn by Zipf's law, every fourth
comment with a phrase of spam or praise, some links, times and years, exclamation marks, all kinds of case,
and one word in fifty from another language or script, or an emoji.

Three traits make word boundaries and case the same to engines that know Unicode there (Rust, Java 17) and
to one that knows ASCII only (RE2): there are no line breaks; no ASCII part of a foreign word is a word that
a labeling function looks for; no letter outside ASCII folds to one inside (such as the Kelvin sign).
"""

import hashlib
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import WriterProperties, write_deltalake
from numpy.typing import NDArray

N_FILES = 16
SEED = 20_240_607

# Words in one text each: a list would take a line for every word.
FREQUENT = (
    "the i this is you and to a it of my in so that for me on like was he she with but just not are have be we "
    "all your they at who when from one her his what if how up out no im as dont do love can time get or song "
    "really people good know its video now never still think only music always because want then will about here "
    "has see would more there got had some dude lol why am been very back life too ever make could did every go "
    "say first by over way man thing day guy well even great girl voice going being those these thats much most "
    "watch were feel god new let them years year old us our need many best he's right after where look before "
    "channel come than world again live actually someone hate everyone bad sing heart view night listen part true "
    "last hear same made tell remember cant hope nice gonna bro comment down home miss child school million said "
    "real again sounds word little stop already since long two lot give face yes wow find call thought crazy "
    "place reason through should any other off another dance dad mom put radio cool summer sorry big keep into "
    "head"
)
FOREIGN = (
    "canción música corazón siempre año más está também não você coração için çok şarkı güzel très même été où "
    "größer schön für über świetna głos привет песня видео очень люблю лучшая γειά τραγούδι 好听 音楽 大好き 사랑해요 "
    "노래 أغنية جميلة ❤ 😂 🔥 😍 👍 🎶 ♥♥♥ 😂😂😂"
)
ONSETS = "b c d f g h k l m n p r s t v w st tr pl ch sh"
VOWELS = "a e i o u er an"
SPAM = (
    "check out my channel",
    "check this out",
    "please check out my new video",
    "go check my cover out",
    "subscribe to my channel",
    "please subscribe",
    "sub for sub",
    "i will sub back",
    "help me reach 1000 subscribers",
    "plz help me out",
    "pls watch my videos",
    "make money online",
    "earn cash from home",
    "free gift cards here",
    "win an iphone for free",
    "giveaway on my page",
    "visit my page",
    "follow me on instagram",
    "i make $300 a day",
    "new remix on my channel",
)
PRAISE = (
    "love this song",
    "best song ever",
    "what a beautiful voice",
    "this is amazing",
    "awesome music",
    "such a masterpiece",
    "this song is a classic",
    "her voice is incredible",
    "perfect song",
    "i love her voice",
    "gives me goosebumps",
    "this beat is so good",
    "my favorite song",
    "legend",
)
RECALL = ("who is watching in", "anyone listening in", "who else is here in", "still listening in", "back in")
LINKS = (
    "https://youtu.be/",
    "http://www.facebook.com/",
    "https://bit.ly/",
    "http://",
    "www.",
    "https://www.twitch.tv/",
)
ENDINGS = ("", ".", "!", "!!", "!!!", "!!!!!", "?", "...", " :)", " lol", " <3", " ❤", " 😂")
ENDING_SHARES = (0.52, 0.12, 0.09, 0.04, 0.04, 0.02, 0.04, 0.04, 0.02, 0.02, 0.01, 0.02, 0.02)
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)


def comments_table(n_rows: int, cache: Path) -> Path:
    """The folder of the Delta table of `n_rows` comments; made below `cache` unless it is there already."""
    fingerprint = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache / f"comments-{n_rows}-{fingerprint}"
    if folder.exists():
        return folder
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    ends = np.linspace(0, n_rows, N_FILES + 1).astype(np.int64)
    for start, end in pairwise(ends):
        # Snappy and one row group a file: what Spark would have written.
        write_deltalake(
            str(making),
            comments(int(start), int(end)).to_arrow(compat_level=pl.CompatLevel.oldest()),
            mode="append",
            writer_properties=WriterProperties(compression="SNAPPY", max_row_group_size=1 << 20),
        )
    making.rename(folder)
    return folder


def comments(start: int, end: int) -> pl.DataFrame:
    """The comments with the numbers `start` to `end - 1`: `comment_id` and `text`, both strings."""
    n = end - start
    rng = np.random.default_rng([SEED, start])
    body = _bodies(rng, n)
    frame = pl.DataFrame(
        {
            "comment_id": _ids(np.arange(start, end, dtype=np.uint64)),
            "phrase": _phrases(rng, n),
            "body": body,
            "is_front": rng.random(n) < 0.5,
            "style": rng.random(n),
            "link": _links(rng, n),
            "ending": pl.Series(ENDINGS).gather(rng.choice(len(ENDINGS), n, p=ENDING_SHARES)),
        }
    )
    phrase, text = pl.col("phrase"), pl.col("body")
    joined = (
        pl.when(phrase == "")
        .then(text)
        .when("is_front")
        .then(phrase + pl.lit(" ") + text)
        .otherwise(text + pl.lit(" ") + phrase)
    )
    capital = joined.str.slice(0, 1).str.to_uppercase() + joined.str.slice(1)
    cased = (
        pl.when(pl.col("style") < 0.55)
        .then(capital)
        .when(pl.col("style") < 0.90)
        .then(joined)
        .when(pl.col("style") < 0.97)
        .then(joined.str.to_uppercase())
        .otherwise(joined.str.to_titlecase())
    )
    return frame.select("comment_id", (cased + pl.col("ending") + pl.col("link")).alias("text"))


def _bodies(rng: np.random.Generator, n: int) -> pl.Series:
    """Words by Zipf's law, 10 a comment on average, joined by blanks; some commas."""
    words = pl.Series([*FREQUENT.split(), *_rare_words(1000)])
    weights = 1.0 / (np.arange(len(words)) + 3.0)
    lengths = np.minimum(1 + rng.negative_binomial(2, 0.182, n), 60)
    chosen = words.gather(rng.choice(len(words), int(lengths.sum()), p=weights / weights.sum()))
    mixed = rng.random(len(chosen))
    foreign_words = pl.Series(FOREIGN.split())
    foreign = foreign_words.gather(rng.integers(len(foreign_words), size=len(chosen)))
    spoken = pl.select(
        pl.when(pl.Series(mixed < 0.02))
        .then(foreign)
        .when(pl.Series(mixed < 0.06))
        .then(chosen + ",")
        .otherwise(chosen)
        .alias("word")
    )
    rows = pl.DataFrame({"row": np.repeat(np.arange(n), lengths), "word": spoken["word"]})
    grouped = rows.group_by("row", maintain_order=True).agg(pl.col("word"))
    return grouped.select(pl.col("word").list.join(" "))["word"]


def _phrases(rng: np.random.Generator, n: int) -> pl.Series:
    """A phrase for every fourth comment, empty for the others."""
    minute, second = rng.integers(0, 6, n), rng.integers(0, 60, n)
    said = pl.DataFrame(
        {
            "share": rng.random(n),
            "spam": pl.Series(SPAM).gather(rng.integers(len(SPAM), size=n)),
            "praise": pl.Series(PRAISE).gather(rng.integers(len(PRAISE), size=n)),
            "recall": pl.Series(RECALL).gather(rng.integers(len(RECALL), size=n)),
            "minute": pl.Series(minute).cast(pl.String),
            "second": pl.Series(second).cast(pl.String).str.zfill(2),
            "year": pl.Series(rng.integers(2009, 2025, n)).cast(pl.String),
        }
    )
    share = pl.col("share")
    phrase = (
        pl.when(share < 0.09)
        .then(pl.col("spam"))
        .when(share < 0.19)
        .then(pl.col("praise"))
        .when(share < 0.22)
        .then(pl.col("recall") + pl.lit(" ") + pl.col("year"))
        .when(share < 0.25)
        .then(pl.col("minute") + pl.lit(":") + pl.col("second"))
        .otherwise(pl.lit(""))
    )
    return said.select(phrase.alias("phrase"))["phrase"]


def _links(rng: np.random.Generator, n: int) -> pl.Series:
    """A link behind 4 % of the comments, empty for the others."""
    token = _letters(rng.integers(0, 1 << 40, n, dtype=np.uint64), 8)
    prefix = pl.Series(LINKS).gather(rng.integers(len(LINKS), size=n))
    ending = pl.Series(["", ".com", ".net", "/"]).gather(rng.integers(4, size=n))
    link = pl.DataFrame({"link": " " + prefix + token + ending, "share": rng.random(n)})
    return link.select(pl.when(pl.col("share") < 0.04).then(pl.col("link")).otherwise(pl.lit("")))["link"]


def _ids(numbers: NDArray[np.uint64]) -> pl.Series:
    """Twelve letters and digits, different for different numbers and in no order."""
    # An odd factor is a bijection modulo 2^60, and so is the shift that follows.
    mixed = (numbers * np.uint64(0x9E3779B97F4A7C15)) & np.uint64((1 << 60) - 1)
    return _letters(mixed ^ (mixed >> np.uint64(31)), 12)


def _letters(numbers: NDArray[np.uint64], length: int) -> pl.Series:
    """Numbers in base 32, `length` letters each."""
    shifts = np.arange(0, 5 * length, 5, dtype=np.uint64)
    # (n,) by (length,) -> (n, length) digits -> n strings
    digits = LETTERS[((numbers[:, None] >> shifts) & np.uint64(31)).astype(np.int64)]
    return pl.Series(np.ascontiguousarray(digits).view(f"S{length}").ravel().astype(f"U{length}"))


def _rare_words(n_words: int) -> Sequence[str]:
    """Words that nobody uses, of two to four syllables."""
    rng = np.random.default_rng(SEED)
    syllables = [onset + vowel for onset in ONSETS.split() for vowel in VOWELS.split()]
    return ["".join(rng.choice(syllables, rng.integers(2, 5))) for _ in range(n_words)]
