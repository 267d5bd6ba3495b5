"""Which version of which library something belongs to: what of a function's behavior is not in the project."""

import sys
import unicodedata
from functools import cache
from importlib import metadata

import polars as pl
import pyarrow as pa

_NOT_TOLD = ("sparkws", "__main__")  # the version of sparkws is told by the step that runs the functions


@cache
def library_of(module: str | None) -> str:
    """The name and version of the library that a module belongs to; of Python's own only that.

    Examples
    --------
    >>> library_of("json.decoder"), library_of("sparkws.lfs")
    ('python', 'sparkws')
    """
    top = (module or "builtins").partition(".")[0]
    if top in sys.stdlib_module_names:
        return "python"
    if top in _NOT_TOLD:
        return top
    versions = _versions(top)
    if versions:
        return " ".join(versions)
    loaded = getattr(sys.modules.get(top), "__version__", None)
    return f"{top} {loaded}" if isinstance(loaded, str) else top


def runtime_of(kind: str) -> dict[str, str]:
    """The versions that decide votes of functions of a kind without being named in them.

    Which characters are letters, and what their lower case is, stands in Python's and in polars' own tables of
    Unicode, and both go with the version.
    """
    python = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "unicode": unicodedata.unidata_version}
    polars, arrow = {"polars": pl.__version__}, {"pyarrow": pa.__version__}
    return {"row": python, "polars": {**python, **polars}, "arrow": {**python, **arrow}}.get(kind, polars)


def _versions(top: str) -> list[str]:
    try:
        return [f"{top} {metadata.version(top)}"]  # the common case, without a look at everything installed
    except metadata.PackageNotFoundError:
        return sorted(f"{name} {metadata.version(name)}" for name in set(_distributions().get(top, ())))


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
