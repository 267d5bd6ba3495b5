"""Published tables as somebody without Spark reads them, and whether two workspaces hold the same ones."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable

LEDGER = "runs"  # tells times, which no two runs share


def read_tables(workspace: Path) -> dict[str, pl.DataFrame]:
    """Every table of a workspace but the ledger, by name, each in one order whatever its files are."""
    folders = sorted(path.parent for path in workspace.glob("*/_delta_log") if path.parent.name != LEDGER)
    return {folder.name: _in_order(_read(folder)) for folder in folders}


def assert_same_tables(left: Path, right: Path, *, task: str = "", versions: bool = True) -> None:
    """Fail unless two workspaces hold the same tables (of a task): floats within rounding, all else bit for bit.

    Without `versions`, columns that tell versions of tables may differ: who runs again makes more of them.
    """
    ours, theirs = read_tables(left), read_tables(right)
    names = [name for name in theirs if name.startswith(task)]
    assert names, f"there are no tables in {right}"
    assert names == [name for name in ours if name.startswith(task)]
    for name in names:
        # Fingerprints follow the files that functions name, and those of tests come and go.
        both = [_without_fingerprints(side) for side in (ours[name], theirs[name])]
        if not versions:
            both = [_in_order(side.select(pl.exclude("^.*_version$"))) for side in both]
        _assert_same(name, *both)


def orphans(folders: Iterable[Path]) -> list[str]:
    """The data files in folders of tables that no version of them holds, found without sparkws."""
    found = []
    for folder in folders:
        held: set[str] = set()
        if DeltaTable.is_deltatable(str(folder)):
            table = DeltaTable(str(folder))
            for version in range(table.version() + 1):
                table.load_as_version(version)
                held |= {Path(uri).name for uri in table.file_uris()}
        found += [str(file) for file in folder.glob("*.parquet") if file.name not in held]
    return sorted(found)


def _without_fingerprints(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("parameter") != "fingerprint") if "parameter" in frame.columns else frame


def _read(folder: Path) -> pl.DataFrame:
    frame = pl.from_arrow(DeltaTable(str(folder)).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort([name for name, dtype in frame.schema.items() if not _is_rounded(dtype)])


def _is_rounded(dtype: pl.DataType) -> bool:
    return dtype.is_float() or (isinstance(dtype, pl.List) and dtype.inner == pl.Float64)


def _assert_same(name: str, ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    assert ours.schema == theirs.schema, name
    for column, dtype in ours.schema.items():
        left, right = ours[column], theirs[column]
        if not _is_rounded(dtype):
            differ = ours.filter(left.ne_missing(right)) if left.len() == right.len() else ours
            assert left.equals(right, null_equal=True), f"{name}.{column} differs, first in {differ.head(3)}"
            continue
        assert left.is_null().equals(right.is_null()), f"{name}.{column}"
        flat = [side.drop_nulls().explode() if dtype.is_nested() else side.drop_nulls() for side in (left, right)]
        np.testing.assert_allclose(flat[0], flat[1], rtol=1e-9, atol=1e-12, err_msg=f"{name}.{column}")
