"""Care for the tables of a project between runs."""

import logging

from sparkws.config import ProjectConfig
from sparkws.engine.lock import TABLE, hold
from sparkws.engine.orphans import remove_orphans, remove_probes
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_workspace
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import check_workspace
from sparkws.errors import ConfigError
from sparkws.vocab import PREP_PREFIX, RUNS

logger = logging.getLogger(__name__)


def clean(
    spark: SparkSession, config: ProjectConfig, *, older_than_h: float = 24.0, dry_run: bool = False
) -> list[str]:
    """Remove the files that killed runs left in a workspace, which no table version holds; give their names.

    Rows and histories of tables stay as they are. In a catalog Delta's VACUUM does it, with the tables' own
    retention.

    Parameters
    ----------
    older_than_h : float
        Younger files are left alone: what a killed run started on a cluster may still be at work.
    dry_run : bool
        Only tell what would be removed.

    Raises
    ------
    WorkspaceBusy
        If a job is at work in the workspace.
    ConfigError
        For a negative age.
    """
    if older_than_h < 0:
        raise ConfigError(f"files are at least 0 hours old, got older_than_h={older_than_h:g}.")
    workspace = parse_workspace(config.workspace, config.base_dir)
    check_workspace(spark, workspace)
    folder = workspace.root.folder
    is_shared = folder is not None and probe(spark, write=[folder]).why_not(folder) == ""
    removed: list[str] = []
    with hold(
        spark, workspace, f"cleaning {config.project!r}", shares_folder=is_shared, wait_s=config.engine.lock_wait_s
    ):
        kept = [] if folder is None else sorted(path.name for path in folder.glob(f"{PREP_PREFIX}*") if path.is_dir())
        for name in [RUNS, TABLE, *config.tables, *kept]:
            removed += remove_orphans(
                spark, workspace.table(name), older_than_h=older_than_h, dry_run=dry_run, is_shared=is_shared
            )
        if is_shared:
            removed += remove_probes(workspace, older_than_h=older_than_h, dry_run=dry_run)
    logger.info("%d files %s", len(removed), "would be removed" if dry_run else "removed")
    return removed
