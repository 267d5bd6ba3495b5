"""Names of tables: a path, or catalog.schema.table; quoted, never pasted into SQL."""

import re
from dataclasses import dataclass
from pathlib import Path

from sparkws.errors import ConfigError

_NAME_PART = re.compile(r"`((?:[^`]|``)+)`|([^`.\s]+)")

# What delta-rs, and every reader built on it, misreads in the name of a folder: it decodes a percent escape,
# takes a backslash for a slash and fails at the rest.
_MISREAD = re.compile(r"%[0-9A-Fa-f]{2}|[][\\^|\x00-\x1f\x7f]")


@dataclass(frozen=True)
class TableRef:
    """A Delta table by path or by name.

    Attributes
    ----------
    path : str
        A location such as "file:/data/items" or "s3://bucket/items"; empty when it is named.
    name : tuple of str
        One to three parts, such as ("main", "spam", "items"); empty when it is a path.
    """

    path: str = ""
    name: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """The quoted name for a query."""
        if self.path:
            return f"delta.{_quote(self.path)}"
        return ".".join(_quote(part) for part in self.name)

    @property
    def folder(self) -> Path | None:
        """The path as a local folder, where it is one that can be read beside Spark."""
        is_readable = self.path.startswith("file:/") and _MISREAD.search(self.path) is None
        return Path(self.path.removeprefix("file:")) if is_readable else None

    @property
    def short_name(self) -> str:
        """The name within its folder or schema."""
        return self.path.rpartition("/")[2] if self.path else self.name[-1]

    def __str__(self) -> str:
        return self.path.removeprefix("file:") if self.path else ".".join(self.name)


def parse_ref(text: str, base_dir: str | Path = ".") -> TableRef:
    """The table that `text` names.

    Text with a slash is a path, relative ones to `base_dir`; other text is a name of up to three
    parts, in backticks where a part holds a dot or a blank. Local paths become file: locations, so
    that Spark and every other reader open the same folder whatever Spark's default file system is.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    if "/" in text:
        return TableRef(path=_location(text, base_dir))
    parts = [quoted.replace("``", "`") or plain for quoted, plain in _NAME_PART.findall(text)]
    rebuilt = ".".join(match.group() for match in _NAME_PART.finditer(text))
    if not 1 <= len(parts) <= 3 or rebuilt != text:
        raise ConfigError(
            f"{text!r} is not a table: give a path with a slash, such as './items', or catalog.schema.table."
        )
    return TableRef(name=tuple(parts))


@dataclass(frozen=True)
class Workspace:
    """Where a project's tables go: a folder, or a schema of a catalog."""

    root: TableRef

    def table(self, name: str) -> TableRef:
        """The table `name` of the workspace."""
        if self.root.path:
            return TableRef(path=f"{self.root.path.rstrip('/')}/{name}")
        return TableRef(name=(*self.root.name, name))


def parse_workspace(text: str, base_dir: str | Path = ".") -> Workspace:
    """The workspace that `text` names: a folder when it has a slash, else catalog.schema or schema.

    Raises
    ------
    ConfigError
        If it is neither, or a folder of which readers outside Spark would misread the name.
    """
    root = parse_ref(text, base_dir)
    misread = _MISREAD.search(root.path) if root.path.startswith("file:") else None
    if misread is not None:
        raise ConfigError(
            f"workspace {str(root)!r} has {misread.group()!r} in its path, which readers of Delta tables outside Spark "
            "take for something else; choose a folder without it."
        )
    if len(root.name) > 2:
        raise ConfigError(f"workspace {text!r} has {len(root.name)} parts; expected catalog.schema, or a folder.")
    return Workspace(root)


def quote_column(name: str) -> str:
    """A column's name for a query."""
    return _quote(name)


def _location(text: str, base_dir: str | Path) -> str:
    if "\0" in text:
        raise ConfigError(f"{text!r} is not a path: it holds a NUL byte.")
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]+:", text):
        if not text.startswith("file:"):
            return text
        path = re.sub(r"^//(?=/)", "", text.removeprefix("file:"))
        if not path.startswith("/") or path.startswith("//"):
            raise ConfigError(f"{text!r} is not a path on this machine; write it as 'file:/data/items'.")
        return f"file:{path}"
    return f"file:{(Path(base_dir) / Path(text).expanduser()).resolve()}"


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
