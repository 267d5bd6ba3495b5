"""Small archives made here; nothing is fetched."""

import hashlib
import io
import subprocess
import sys
import tarfile

import polars as pl
import pytest

from sparkws import datasets
from sparkws.datasets import fetch_vader, parse_vader, read_vader
from sparkws.errors import DatasetUnavailable

FILES = {
    "tweets_GroundTruth.txt": '1\t2.5\tYay.\r\n2\t-1\tNo &amp; no\u2028twice "quoted"\r\n',
    "movieReviewSnippets_GroundTruth.txt": "1\t-0.25\tMünch's genius",
    "amazonReviewSnippets_GroundTruth.txt": "1_1\t0\tworks .\r\n1_2\t1e-1\t\r\n",
    "nytEditorialSnippets_GroundTruth.txt": "500_9\t3.875\tEnd\n",
}


def _targz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _archive(files: dict[str, str]) -> bytes:
    inner = _targz({f"hutto_ICWSM_2014/{name}": text.encode() for name, text in files.items()})
    return _targz({"vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz": inner})


@pytest.fixture
def expected(monkeypatch):
    """The archive above passes for the real one."""
    archive = _archive(FILES)
    monkeypatch.setattr(datasets, "VADER_SHA256", hashlib.sha256(archive).hexdigest())
    return archive


def test_texts_are_read_as_they_are():
    items = parse_vader(_archive(FILES))
    assert items.schema == {"item_id": pl.String, "source": pl.String, "text": pl.String, "rating": pl.Float64}
    assert items.rows() == [
        ("tweets-1", "tweets", "Yay.", 2.5),
        ("tweets-2", "tweets", 'No &amp; no\u2028twice "quoted"', -1.0),
        ("movies-1", "movies", "Münch's genius", -0.25),
        ("products-1_1", "products", "works .", 0.0),
        ("products-1_2", "products", "", 0.1),
        ("nyt-500_9", "nyt", "End", 3.875),
    ]


@pytest.mark.parametrize("line", ["3\t1.0", "3\tgood\ttext", "", "3\t1.0\ta\tb"])
def test_a_stray_line_is_refused(line):
    files = FILES | {"tweets_GroundTruth.txt": f"1\t2.5\tYay.\n{line}\n2\t1\tx\n"}
    with pytest.raises(DatasetUnavailable, match=r"^line 2 of tweets_GroundTruth.txt is not 'number, rating, text': '"):
        parse_vader(_archive(files))


def test_another_layout_is_refused():
    files = {name: text for name, text in FILES.items() if not name.startswith("nyt")}
    with pytest.raises(DatasetUnavailable, match=r"laid out as expected: .*nytEditorialSnippets_GroundTruth"):
        parse_vader(_archive(files))
    for broken in (b"no archive", _archive(FILES)[:200], _targz({"other": b""})):
        with pytest.raises(DatasetUnavailable, match=r"vaderSentiment-3\.3\.2\.tar\.gz is not laid out as expected: "):
            parse_vader(broken)


def test_what_is_there_is_not_fetched_again(tmp_path, expected, monkeypatch):
    (tmp_path / datasets.VADER_FILE).write_bytes(expected)
    monkeypatch.setattr(datasets, "_download", None)
    assert fetch_vader(tmp_path) == tmp_path / datasets.VADER_FILE
    assert read_vader(tmp_path).height == 6


def _pip(monkeypatch, returncode=0, stderr="", content=None, error=None):
    """Stand in for pip; the commands that it was given."""
    commands = []

    def run(command, **_):
        commands.append(command)
        if error is not None:
            raise error
        if content is not None:
            (folder,) = [command[i + 1] for i, word in enumerate(command) if word == "-d"]
            (datasets.Path(folder) / datasets.VADER_FILE).write_bytes(content)
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_a_broken_copy_is_fetched_anew(tmp_path, expected, monkeypatch):
    (tmp_path / datasets.VADER_FILE).write_bytes(b"half")
    _pip(monkeypatch, content=expected)
    assert fetch_vader(tmp_path).read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == [datasets.VADER_FILE]


def test_another_file_under_the_name_is_refused(tmp_path, expected, monkeypatch):
    _pip(monkeypatch, content=b"other")
    wrong = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(DatasetUnavailable, match=f"has SHA-256 '{wrong}', expected '{datasets.VADER_SHA256}'"):
        fetch_vader(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pip", "said"),
    [
        (
            {"returncode": 1, "stderr": "noise\nERROR: no route to host\n"},
            r"package index \(ERROR: no route to host\);",
        ),
        ({"returncode": 0}, r"pip could not fetch .* \(it said nothing\); look at the network"),
        ({"error": subprocess.TimeoutExpired("pip", 7)}, r"the package index did not give .* within 7 s\."),
    ],
)
def test_without_a_network_one_sentence_says_so(tmp_path, monkeypatch, pip, said):
    _pip(monkeypatch, **pip)
    with pytest.raises(DatasetUnavailable, match=said):
        fetch_vader(tmp_path, timeout_s=7)
    assert list(tmp_path.iterdir()) == []


def test_an_environment_without_pip_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    with pytest.raises(DatasetUnavailable, match="needs pip in this environment: python -m ensurepip"):
        fetch_vader(tmp_path)


def test_pip_is_asked_for_the_source_with_its_hash_and_nothing_else(tmp_path, expected, monkeypatch):
    commands = _pip(monkeypatch, content=expected)
    fetch_vader(tmp_path)
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--no-binary", "vaderSentiment"} <= set(command)
