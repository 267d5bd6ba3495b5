"""The item as functions see it."""

import pytest

from sparkws.lfs.rows import Row, unshared


def test_attributes_and_keys_are_alike():
    row = Row({"text": "a"})
    assert row.text == row["text"] == row.get("text") == "a"
    assert row.get("url", "none") == "none"
    assert "text" in row
    assert "url" not in row
    assert dict(row) == {"text": "a"}
    assert list(row) == ["text"]
    assert repr(row) == "Row(text='a')"


def test_a_missing_column_tells_which_there_are():
    row = Row({"text": "a"})
    with pytest.raises(AttributeError, match=r"the item has no 'url'; it has \['text'\]"):
        row.url
    with pytest.raises(KeyError, match=r"the item has no 'url'; it has \['text'\]"):
        row["url"]
    with pytest.raises(AttributeError, match="no 'url'"):
        del row.url


def test_setting_never_reaches_the_shared_values():
    values = {"text": "a"}
    row = Row.__new__(Row)
    object.__setattr__(row, "__dict__", values)
    row.text = "b"
    row["new"] = 1
    del row.text
    assert values == {"text": "a"}
    assert dict(row) == {"new": 1}


def test_unshared_copies_containers_only():
    plain = {"text": "a", "n": 1}
    assert unshared(plain) is plain
    nested = {"tags": [{"a": {1}}], "n": 1}
    copied = unshared(nested)
    copied["tags"][0]["a"].add(2)
    assert nested == {"tags": [{"a": {1}}], "n": 1}
