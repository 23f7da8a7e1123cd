"""Names that become file names."""

import re
import unicodedata

from nightlights.errors import WorkspaceError

MAXIMUM_LENGTH = 64
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RESERVED = {"con", "prn", "aux", "nul"}


def checked_name(name: str, what: str = "name") -> str:
    """Return ``name`` when it is safe as a file name.

    Letters, digits, ``-`` and ``_``, 64 characters at most, beginning with a letter or digit, so that a
    name never leaves its folder and means the same on every system.

    Raises
    ------
    WorkspaceError
        Naming ``what`` and the rule.
    """
    if len(name) > MAXIMUM_LENGTH or not _VALID.fullmatch(name) or name.lower() in _RESERVED:
        raise WorkspaceError(
            f"{name[:80]!r} cannot be a {what}.",
            f"Use letters, digits, - and _, at most {MAXIMUM_LENGTH}, beginning with a letter or digit.",
        )
    return name


def suggested_name(text: str, fallback: str = "unnamed") -> str:
    """The nearest valid name to any text: "São Paulo, north" becomes "sao-paulo-north"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_").lower()[:MAXIMUM_LENGTH].rstrip("-_")
    return slug if slug and slug not in _RESERVED else fallback
