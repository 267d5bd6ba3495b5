"""Public data for the demo and the tests: fetched once, verified, kept in a folder of the user.

Texts rated by people, from the paper of the sentiment lexicon VADER: C.J. Hutto and E. Gilbert, "VADER: A
Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014. They come with the
source distribution of `vaderSentiment` (MIT license).
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import polars as pl

from sparkws.errors import DatasetUnavailable
from sparkws.vocab import ITEM_ID

VADER: Final = "vaderSentiment==3.3.2"
VADER_FILE: Final = "vaderSentiment-3.3.2.tar.gz"
VADER_SHA256: Final = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
_INNER: Final = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
# Where a text is from -> its file. Items are numbered within a file.
_SOURCES: Final = {
    "tweets": "tweets_GroundTruth.txt",
    "movies": "movieReviewSnippets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "nyt": "nytEditorialSnippets_GroundTruth.txt",
}


def read_vader(cache_dir: str | Path | None = None) -> pl.DataFrame:
    """23,703 short English texts with the mean of 20 people's ratings.

    Returns
    -------
    DataFrame
        `item_id` String, unique, such as `tweets-17`; `source` String: tweets, movies, products, nyt;
        `text` String, as published (HTML entities are left); `rating` Float64 in -4 (very negative)..4.

    Raises
    ------
    DatasetUnavailable
        If it cannot be fetched, or is not the archive that was expected.
    """
    return parse_vader(fetch_vader(cache_dir).read_bytes())


def fetch_vader(cache_dir: str | Path | None = None, timeout_s: float = 300) -> Path:
    """The verified source distribution; pip fetches it unless it is already there.

    Raises
    ------
    DatasetUnavailable
        If it cannot be fetched, or is not the archive that was expected.
    """
    folder = Path(cache_dir) if cache_dir is not None else Path.home() / ".cache" / "sparkws" / "datasets"
    kept = folder / VADER_FILE
    if kept.is_file() and _sha256(kept) == VADER_SHA256:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
        fetched = _download(Path(scratch), timeout_s)
        found = _sha256(fetched)
        if found != VADER_SHA256:
            raise DatasetUnavailable(
                f"{VADER_FILE} from the package index has SHA-256 {found!r}, expected {VADER_SHA256!r}; "
                f"the index gives another file under this name."
            )
        fetched.replace(kept)  # the same file system: nobody sees half a file
    return kept


def parse_vader(archive: bytes) -> pl.DataFrame:
    """The rated texts in the bytes of the source distribution; see `read_vader`.

    Raises
    ------
    DatasetUnavailable
        If the archive lacks a file, or a line is not `number, rating, text`.
    """
    try:
        inner = _member(archive, _INNER)
        tables = [_parse(source, file, _member(inner, f"hutto_ICWSM_2014/{file}")) for source, file in _SOURCES.items()]
    except (KeyError, EOFError, OSError, UnicodeDecodeError, tarfile.TarError) as error:
        raise DatasetUnavailable(f"{VADER_FILE} is not laid out as expected: {error}.") from None
    return pl.concat(tables)


def _parse(source: str, file: str, content: bytes) -> pl.DataFrame:
    rows = []
    # Not splitlines(): a text may hold a character that Unicode counts as the end of a line.
    for number, line in enumerate(content.decode("utf-8").rstrip("\r\n").split("\n"), start=1):
        match line.rstrip("\r").split("\t"):
            case [item, rating, text] if _is_number(rating):
                rows.append((f"{source}-{item}", source, text, float(rating)))
            case _:
                raise DatasetUnavailable(f"line {number} of {file} is not 'number, rating, text': {line[:80]!r}.")
    schema = {ITEM_ID: pl.String, "source": pl.String, "text": pl.String, "rating": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _member(archive: bytes, name: str) -> bytes:
    """A file of a .tar.gz, without unpacking to disk."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        file = opened.extractfile(name)
        if file is None:
            raise KeyError(f"{name!r} is not a file")
        return file.read()


def _download(folder: Path, timeout_s: float) -> Path:
    """Let pip fetch the source distribution, because pip knows the index that this machine uses."""
    if find_spec("pip") is None:
        raise DatasetUnavailable(f"fetching {VADER_FILE} needs pip in this environment: python -m ensurepip.")
    wanted = folder / "requirements.txt"
    # With a hash pip refuses any other file before it asks the package's setup.py for its metadata.
    wanted.write_text(f"{VADER} --hash=sha256:{VADER_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--no-binary", "vaderSentiment", "--retries", "2", "-r", str(wanted), "-d", str(folder)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise DatasetUnavailable(f"the package index did not give {VADER_FILE} within {timeout_s:g} s.") from None
    fetched = folder / VADER_FILE
    if ran.returncode != 0 or not fetched.is_file():
        said = [line.strip() for line in ran.stderr.splitlines() if line.startswith("ERROR")] or ["it said nothing"]
        raise DatasetUnavailable(
            f"pip could not fetch {VADER_FILE} from the package index ({said[0]}); "
            f"look at the network, or put the file into the cache folder yourself."
        )
    return fetched


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
