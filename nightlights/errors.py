"""The one family of errors that users see: what went wrong, and the remedy."""


class NightlightsError(Exception):
    """Root of every error that this package raises on purpose.

    Parameters
    ----------
    message:
        One sentence that says what went wrong.
    remedy:
        One sentence that says what to do about it; may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class GridError(NightlightsError):
    """A place or a raster does not lie on the grid."""


class RegionError(NightlightsError):
    """A region cannot be used as it was drawn or uploaded."""


class RasterError(NightlightsError):
    """A raster file cannot be read, or lacks what is needed."""


class SourceError(NightlightsError):
    """An imagery source cannot deliver what was asked for."""


class EarthEngineError(SourceError):
    """Earth Engine or Cloud Storage cannot be reached, refuses, or fails."""


class DatasetError(NightlightsError):
    """A dataset is missing, broken or empty."""


class ModelError(NightlightsError):
    """A network or a trained model cannot be built, read or used."""


class JobError(NightlightsError):
    """A background job cannot be started, found or changed."""


class WorkspaceError(NightlightsError):
    """The workspace cannot be read or written."""


class NewerVersionError(WorkspaceError):
    """A file was written by a newer version of this program, which this one must not read or replace."""


class SettingsError(NightlightsError):
    """A setting has a value that cannot be used."""


class Cancelled(NightlightsError):
    """The user asked for the work to stop."""

    def __init__(self, message: str = "Cancelled.", remedy: str = "Resume it to go on.") -> None:
        super().__init__(message, remedy)
