"""The exception tree.

SparkwsError
├── ConfigError                a configuration that says something impossible (exit code 2)
│   ├── InvalidFunction        a labeling function or preprocessor that cannot be used as written
│   │   └── VotesNotRepeatable a labeling function votes otherwise when it is run again
│   └── TableNotFound          no Delta table where one was named
├── DataError                  data that breaks a promise (exit code 3)
│   ├── MissingColumns         a table lacks columns that were asked for
│   ├── InvalidKeys            a key column with NULLs or duplicates
│   ├── InvalidLabelMatrix     votes outside -1..k-1, or of the wrong shape
│   ├── InvalidVote            a labeling function returned something that is not a vote
│   ├── InvalidGold            a gold class that does not exist
│   ├── ExampleMissed          a labeling function does not vote as its examples say
│   ├── FunctionFailed         a labeling function raised under the policy `fail`
│   ├── IncompatibleStatistics statistics of different functions, classes or items
│   └── NothingToFit           statistics that do not determine the model
├── EngineError                the work could not be carried (exit code 1)
│   ├── CompiledVotesDiffer    a labeling function votes otherwise compiled than interpreted
│   ├── FolderNotShared        a worker does not see a folder as this process does
│   ├── LaneUnavailable        a lane was forced that cannot carry the work
│   ├── TableChanged           somebody else wrote to a table that sparkws owns
│   ├── WorkerDied             a Python worker ended in the midst of its work
│   └── WorkspaceBusy          another job is at work in the workspace (exit code 4)
├── MissingExtra               an optional dependency is not installed
└── DatasetUnavailable         a public dataset could not be fetched or is not the one expected

Every message is one sentence, or two, that names what was expected, what came and what to do.
"""


class SparkwsError(Exception):
    """Any error that sparkws raises on purpose."""


class ConfigError(SparkwsError, ValueError):
    """The configuration says something impossible."""


class InvalidFunction(ConfigError):
    """A labeling function or preprocessor cannot be used as written."""


class VotesNotRepeatable(InvalidFunction):
    """A labeling function votes otherwise when it is run again, and is not declared so."""


class TableNotFound(ConfigError):
    """There is no Delta table where one was named."""


class DataError(SparkwsError, ValueError):
    """Data breaks a promise that the configuration made for it."""


class MissingColumns(DataError):
    """A table lacks columns that were asked for."""


class InvalidKeys(DataError):
    """A key column holds NULLs or duplicates."""


class InvalidLabelMatrix(DataError):
    """Votes outside -1..k-1, or a matrix of the wrong shape."""


class InvalidVote(DataError):
    """A labeling function returned something that is not a vote."""


class InvalidGold(DataError):
    """A gold class that does not exist."""


class ExampleMissed(DataError):
    """A labeling function does not vote as its examples say."""


class FunctionFailed(DataError):
    """A labeling function raised under the policy `fail`."""


class IncompatibleStatistics(DataError):
    """Statistics of different functions, classes or items were combined."""


class NothingToFit(DataError):
    """The statistics do not determine the model."""


class EngineError(SparkwsError):
    """The work could not be carried."""


class CompiledVotesDiffer(EngineError):
    """A labeling function votes otherwise compiled than interpreted; nothing that it voted is committed.

    Attributes
    ----------
    lf : str
        The function.
    """

    lf: str = ""


class FolderNotShared(EngineError):
    """A worker does not see a folder as this process does."""


class LaneUnavailable(EngineError):
    """A lane was forced that cannot carry the work."""


class TableChanged(EngineError):
    """Somebody else wrote to a table that sparkws owns."""


class WorkerDied(EngineError):
    """A Python worker ended in the midst of its work.

    Attributes
    ----------
    functions : tuple of str
        Those in one of which it ended, as they are told; none where it was in no function.
    """

    functions: tuple[str, ...] = ()


class WorkspaceBusy(EngineError):
    """Another job is at work in the workspace."""


class MissingExtra(SparkwsError, ImportError):
    """An optional dependency is not installed."""


class DatasetUnavailable(SparkwsError):
    """A public dataset could not be fetched or is not the one expected."""
