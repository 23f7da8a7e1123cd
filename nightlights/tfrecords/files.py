"""Which TFRecord files there are, which belong to a mixer, and what region each becomes."""

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightlights.errors import DatasetError
from nightlights.manifests import ImportRequest, Role
from nightlights.tfrecords.mixer import is_mixer

_ENDING: Final = re.compile(r"(\.tfrecords?)?(\.gz)?$", re.IGNORECASE)
_SHARD: Final = re.compile(r"[-_]*\d*(-of-\d+)?(\.tfrecords?)?(\.gz)?", re.IGNORECASE)
_MIXER: Final = "mixer.json"


@dataclass(frozen=True)
class RegionFiles:
    """The files of one region: one file of patches, or a mixer and the files of its image.

    Attributes
    ----------
    name, role:
        Of the region.
    mixer:
        None for a file of patches.
    """

    name: str
    role: Role
    files: tuple[Path, ...]
    mixer: Path | None = None

    @property
    def size(self) -> int:
        """Of the files, in bytes."""
        return sum(path.stat().st_size for path in self.files)


def region_files(request: ImportRequest) -> tuple[RegionFiles, ...]:
    """The regions that the files of a request make, all of them, in the order of their numbers.

    Raises
    ------
    DatasetError
        When a pattern matches nothing, two regions would have one name, or a role cannot be told.
    """
    paths = matching_files(request.files)
    mixers = [path for path in paths if is_mixer(path)]
    images: dict[Path, list[Path]] = {mixer: [] for mixer in mixers}
    patches: list[Path] = []
    for path in paths:
        if is_mixer(path):
            continue
        owner = _owner(path, mixers)
        (patches if owner is None else images[owner]).append(path)
    regions = [_patch_region(path, request) for path in patches]
    regions += [_image_region(mixer, files, request) for mixer, files in images.items()]
    names = [region.name.casefold() for region in regions]
    for region in regions:
        if names.count(region.name.casefold()) > 1:
            raise DatasetError(
                f"Two files would become the region {region.name}.", "Rename one, or import them separately."
            )
    return tuple(regions)


def matching_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """Absolute paths that ``patterns`` name, each once; g2 before g10.

    A folder stands for the TFRecord files and mixers in it.

    Raises
    ------
    DatasetError
        When a pattern matches no file.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_file():
            matches = [path]
        elif path.is_dir():
            matches = [each for each in path.iterdir() if _in_folder(each)]
        else:
            # Path.glob takes no absolute pattern.
            matches = [each for each in map(Path, glob.glob(str(path), recursive=True)) if each.is_file()]  # noqa: PTH207
        if not matches:
            raise DatasetError(
                f"No TFRecord file matches {pattern!r}.",
                f"Check the path; it is looked for from {Path.cwd()}.",
            )
        found.update(dict.fromkeys(match.resolve() for match in sorted(matches, key=_by_number)))
    return tuple(found)


def _in_folder(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.is_file() and not hidden and (is_mixer(path) or ".tfrecord" in path.name.lower())


def _by_number(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def _stem(mixer: Path) -> str:
    return mixer.name[: -len(_MIXER)].rstrip("-_.")


def _owner(path: Path, mixers: Sequence[Path]) -> Path | None:
    """The mixer whose image ``path`` is a part of: the longest beginning that leaves but a number."""
    owners = [
        mixer
        for mixer in mixers
        if mixer.parent == path.parent
        and path.name.startswith(_stem(mixer))
        and _SHARD.fullmatch(path.name[len(_stem(mixer)) :])
    ]
    return max(owners, key=lambda mixer: len(_stem(mixer)), default=None)


def _patch_region(path: Path, request: ImportRequest) -> RegionFiles:
    stem = _ENDING.sub("", path.name)
    role = role_of(stem, request.roles) or request.other_role
    if role is None:
        known = ", ".join(request.roles) or "none"
        raise DatasetError(
            f"The role of {path.name} is not known: no role was given for how its name begins.",
            f"Known beginnings: {known}. Say whether such files train or evaluate.",
        )
    return RegionFiles(_region_name(stem), role, (path,))


def _image_region(mixer: Path, files: Sequence[Path], request: ImportRequest) -> RegionFiles:
    stem = _stem(mixer) or "image"
    role = role_of(stem, request.roles) or request.other_role or "predict"
    return RegionFiles(_region_name(stem), role, tuple(files), mixer)


def role_of(stem: str, roles: Mapping[str, Role]) -> Role | None:
    """The role that belongs to the longest beginning of ``stem``; capitals do not matter."""
    fitting = [start for start in roles if stem.casefold().startswith(start.casefold())]
    return roles[max(fitting, key=len)] if fitting else None


def _region_name(stem: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[:64]
    return plain or "region"
