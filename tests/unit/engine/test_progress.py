"""The bar of a running step: where it is drawn, what it says and that nothing of it is left."""

import io
import time

import pytest

from sparkws.engine.progress import bar_line, progress

# A session that tells no task counts, as on Spark Connect.
SILENT = object()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(text):
    """What a terminal shows in the end: a carriage return starts over, and ESC[K clears the rest of the line."""
    line = ""
    for part in text.split("\r"):
        line = part.removeprefix("\x1b[K") if part.startswith("\x1b[K") else part + line[len(part) :]
    return line


@pytest.mark.parametrize(
    ("tasks", "seconds", "line"),
    [
        ((0, 4), 0.04, "spam.votes                   ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0/4 tasks    0.0 s"),
        ((1, 4), 1.25, "spam.votes                   ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 1/4 tasks    1.2 s"),
        ((2000, 2000), 61, "spam.votes                   ━━━━━━━━━━━━━━━━━━━━━━━━ 2,000/2,000 tasks   61.0 s"),
        ((0, 0), 3, "spam.votes                      3.0 s"),
        (None, 3, "spam.votes                      3.0 s"),
    ],
)
def test_a_bar(tasks, seconds, line):
    assert bar_line("spam.votes", tasks, seconds) == line


@pytest.mark.parametrize("known", [1, 3, 24, 1000])
def test_a_bar_grows_and_keeps_its_width(known):
    bars = [bar_line("x", (done, known), 0).split()[1] for done in range(known + 1)]
    assert {len(bar) for bar in bars} == {24}
    assert bars == sorted(bars, key=lambda bar: bar.count("━"))
    assert (bars[0], bars[-1]) == ("╌" * 24, "━" * 24)


def test_nothing_is_written_where_nobody_looks(capsys):
    log = io.StringIO()
    with progress(SILENT, "spam.votes", log):
        time.sleep(0.3)
    with progress(SILENT, "spam.votes"):
        time.sleep(0.3)
    assert log.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_bar_and_then_an_empty_line():
    terminal = Terminal()
    with progress(SILENT, "spam.votes", terminal):
        for _ in range(50):
            if terminal.getvalue():
                break
            time.sleep(0.1)
        assert shown(terminal.getvalue()).startswith("spam.votes")
    assert shown(terminal.getvalue()) == ""
    before = terminal.getvalue()
    time.sleep(0.3)
    assert terminal.getvalue() == before, "the drawer has ended"


def test_the_line_is_cleared_when_a_step_fails():
    terminal = Terminal()
    with pytest.raises(KeyError, match="url"), progress(SILENT, "spam.votes", terminal):
        raise KeyError("url")
    assert shown(terminal.getvalue()) == ""
