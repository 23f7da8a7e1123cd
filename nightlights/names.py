"""Names that become file names."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from nightlights.errors import WorkspaceError

MAXIMUM_LENGTH = 64
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RESERVED = {"con", "prn", "aux", "nul"}
_DIGITS = 8
_LOOKS_DIGESTED = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}")


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


def with_digest(text: str, *parts: str) -> str:
    """A valid name in lower case that begins like ``text`` and ends with a digest of ``parts``.

    >>> with_digest("Lagos, 2020", "task-1")
    'lagos-2020-7afaa346'
    """
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
    beginning = suggested_name(text)[: MAXIMUM_LENGTH - _DIGITS - 1].rstrip("-_")
    return f"{beginning}-{digest}"


def joined_name(*parts: str) -> str:
    """One name for several together, and another one for all others, also where case is ignored.

    The parts are joined by hyphens: by one between two parts of which the last has none, else by two.
    What could be the name of other parts then, has capital letters or is too long, ends with a digest.

    >>> joined_name("cities-unet", "abuja")
    'cities-unet-abuja'
    >>> joined_name("cities", "sao-paulo")
    'cities--sao-paulo'
    >>> joined_name("Cities", "abuja")
    'cities-abuja-e64c38dd'

    Parameters
    ----------
    parts:
        Valid names, see :func:`checked_name`.
    """
    text = "-".join(parts)
    if len(parts) != 2 or "--" in text or text.rsplit("-", 1) != list(parts):
        text = "--".join(parts)
        if text.split("--") != list(parts):
            return with_digest("-".join(parts), *parts)
    if text != text.lower() or len(text) > MAXIMUM_LENGTH or _LOOKS_DIGESTED.fullmatch(text):
        return with_digest("-".join(parts), *parts)
    return text


def unused_name(text: str, taken: Iterable[str]) -> str:
    """The nearest valid name to ``text``, or with -2, -3 and so on, that is not ``taken`` in any case."""
    base, number = suggested_name(text), 2
    used = {name.lower() for name in taken}
    name = base
    while name in used:
        name, number = f"{base[:58]}-{number}", number + 1
    return name
