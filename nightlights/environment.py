"""Variables from a file ``.env``, for those who do not want to set them for the whole machine."""

import os
from pathlib import Path

from nightlights.errors import SettingsError


def read_variables(path: Path) -> dict[str, str]:
    """Variables of a file in the form of ``.env``, empty ones left out; none where there is no file.

    Raises
    ------
    SettingsError
        When the file cannot be read.
    """
    from dotenv import dotenv_values

    try:
        if not path.is_file():
            return {}
        found = {key: value for key, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read.", "Mend or remove it.") from error
    if any("\0" in key + value for key, value in found.items()):
        raise SettingsError(f"{path} holds a character that no variable can hold.", "Mend or remove it.")
    return found


def load_environment(path: Path = Path(".env")) -> None:
    """Take the variables of ``path`` into the process's environment; those that are set there stay.

    Raises
    ------
    SettingsError
        When the file cannot be read.
    """
    for key, value in read_variables(path).items():
        os.environ.setdefault(key, value)
