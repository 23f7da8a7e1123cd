"""A run becomes a model that ships: with a card, checked at the door."""

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from nightlights.bands import RADIANCE_UNIT
from nightlights.ensembles import MEMBERS_FILE, Member, read_members
from nightlights.errors import DatasetError, ModelError, WorkspaceError
from nightlights.files import make_folder, replacing_folder, write_text
from nightlights.manifests import (
    DatasetManifest,
    ModelConfig,
    Record,
    RunRecord,
    Score,
    Scores,
    read_record,
    write_record,
)
from nightlights.models import CONFIG_FILE, MODEL_FILE, TEXTURE_FOLDER, load_model, model_parts
from nightlights.names import checked_name
from nightlights.networks import network_info
from nightlights.pipeline import RUN_FILE, SCORES_FILE, read_run
from nightlights.shipped import CARD_FILE, PREFIX, ShippedModel, models_folder
from nightlights.uncertainty import UNCERTAINTY_FILE, load_calibration
from nightlights.workspace import Workspace

BLANK: Final = "[fill in"
"""Begins what a person has to write into a draft."""
SECTIONS: Final = ("Intended use", "Data", "Settings", "Scores", "Limits", "Licence")
LARGEST_BYTES: Final = 20_000_000
"""What a model may take in the project's history of versions."""
STANDARD_PREFIX: Final = "standard-"
"""Begins the names of runs and of files of scores of ``./run bench standard``."""


class _CityScore(Score):
    """A score on the standard cities; over all of them where ``group`` is "all" and there is no planet."""

    group: str
    planet_seed: int | None


class _CityScores(Record):
    """What a card needs of ``standard-*.json``."""

    split: str
    standard_version: int
    methods: list[str]
    scores: list[_CityScore]


def draft_card(workspace: Workspace, run: str, *, overwrite: bool = False) -> Path:
    """Write a card from the records of a run into its folder, with blanks for what only a person knows.

    Raises
    ------
    ModelError
        When there is no such run, it has no model, or it has a card already.
    """
    record = read_run(workspace, run)
    folder = workspace.run_folder(run)
    path = folder / CARD_FILE
    if path.exists() and not overwrite:
        raise ModelError(
            f"{run} has a card already.", "Edit it, or overwrite it (--overwrite on the command line)."
        )
    _check_finished(folder, record)
    config = read_record(folder / CONFIG_FILE, ModelConfig)
    truths = list(_truths(workspace, folder, record))
    write_text(path, "\n".join(_card(folder, record, config, truths)) + "\n")
    return path


def promote(
    workspace: Workspace,
    run: str,
    name: str | None = None,
    *,
    root: Path | None = None,
    overwrite: bool = False,
) -> ShippedModel:
    """Make a shipped model of a run.

    Parameters
    ----------
    name:
        Of the model; unless given, that of the run, without ``standard-`` before it.
    root:
        Folder of models; the project's unless given.

    Raises
    ------
    ModelError
        When the run is not finished, has no card or one with blanks, was trained on the hidden truth, takes
        other bands than its configuration or its dataset name, is too large, or the name is in use.
    """
    record = read_run(workspace, run)
    folder = workspace.run_folder(run)
    own = _checked_name(name or run.removeprefix(STANDARD_PREFIX))
    target = (root or models_folder()) / own
    if target.exists() and not overwrite:
        raise ModelError(
            f"There is a model {own} already.",
            "Choose another name, or overwrite it (--overwrite on the command line).",
        )
    _check_finished(folder, record)
    config = read_record(folder / CONFIG_FILE, ModelConfig)
    _check_labels(record, config)
    _check_card(folder, run)
    _check_bands(workspace, record, config)
    names = [MODEL_FILE, CONFIG_FILE, RUN_FILE, CARD_FILE]
    if load_calibration(folder) is not None:
        names.append(UNCERTAINTY_FILE)
    if record.members and read_members(folder, record):
        names.append(MEMBERS_FILE)
    if config.texture_networks:
        own_files = (MODEL_FILE, CONFIG_FILE, RUN_FILE, MEMBERS_FILE)
        names += [f"{TEXTURE_FOLDER}/{each}" for each in own_files]
        _check_parts(folder, record, names)
    size = sum((folder / each).stat().st_size for each in names)
    if size > LARGEST_BYTES:
        raise ModelError(
            f"The model has {size / 1e6:,.1f} MB; at most {LARGEST_BYTES / 1e6:,.0f} MB ship.",
            "Train a smaller network.",
        )
    for part in model_parts(folder):
        _check_model(part)
    with replacing_folder(target) as unfinished:
        for each in names:
            make_folder((unfinished / each).parent)
            shutil.copyfile(folder / each, unfinished / each)
        for part in model_parts(unfinished):
            anonymous = read_record(part / RUN_FILE, RunRecord).without_machine()
            write_record(part / RUN_FILE, anonymous)
        record = record.without_machine()
    return ShippedModel(own, target, record, config)


def _check_finished(folder: Path, record: RunRecord) -> None:
    if record.finished is None or not (folder / MODEL_FILE).is_file():
        raise ModelError(
            f"The run {record.name} is not finished: {record.epochs_done} of {record.settings.epochs} "
            "epochs.",
            "Resume its training first.",
        )


def _check_parts(folder: Path, record: RunRecord, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"The model of {record.name} is not whole: {', '.join(missing)} is missing.",
            "Train it again, or restore the folder from a copy.",
        )


def _check_labels(record: RunRecord, config: ModelConfig) -> None:
    if record.settings.label == "truth" or record.trained_on_truth or config.trained_on_truth:
        raise ModelError(
            f"The run {record.name} was trained on the hidden truth, which exists on the simulated planet "
            "alone.",
            "Promote a run that was trained on VIIRS.",
        )


def _check_card(folder: Path, run: str) -> None:
    path = folder / CARD_FILE
    if not path.is_file():
        raise ModelError(f"The run {run} has no card.", f"Draft one: nightlights models card {run}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    blanks = text.count(BLANK)
    if blanks:
        raise ModelError(
            f"The card of {run} still has {blanks} of its blanks, which begin with {BLANK}.",
            f"Fill them in: {path}",
        )
    written = _sections(text)
    for section in SECTIONS:
        if section not in written:
            raise ModelError(f"The card of {run} has no section {section}.", f"Write it: {path}")
        if not written[section].strip():
            raise ModelError(f"The section {section} of the card of {run} is empty.", f"Write it: {path}")


def _sections(text: str) -> dict[str, str]:
    """Heading to what is written below it, down to the next heading."""
    found: dict[str, str] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        found[heading] = found.get(heading, "") + ("" if line.startswith("#") else line + "\n")
    return found


def _checked_name(name: str) -> str:
    """A name whose use as a run, with the prefix, is one too."""
    checked_name(PREFIX + name, "name of a model, with shipped- before it,")
    return checked_name(name, "name of a model")


def _check_bands(workspace: Workspace, record: RunRecord, config: ModelConfig) -> None:
    """Refuse a model whose bands are not those of the imagery that it was trained on, where that is here."""
    from nightlights.datasets import Dataset

    if record.dataset not in workspace.dataset_names():
        return
    try:
        found = Dataset.open(workspace, record.dataset).manifest.bands
    except (DatasetError, WorkspaceError):
        return
    wanted = [(band.name, band.unit) for band in config.bands]
    if wanted != [(band.name, band.unit) for band in found]:
        raise ModelError(
            f"The model of {record.name} names the bands {', '.join(name for name, _ in wanted)}, but its "
            f"dataset {record.dataset} has {', '.join(band.name for band in found)}.",
            "Train it again.",
        )


def _check_model(folder: Path) -> None:
    """Load it as anyone will, and see that it predicts."""
    model, config = load_model(folder)
    side = network_info(config.network).stride
    channels = len(config.bands) + config.viirs_input
    side *= -(-64 // side)
    output = np.asarray(model.predict_on_batch(np.zeros((1, side, side, channels), np.float32)))
    if output.shape != (1, side, side, 1) or not np.isfinite(output).all():
        raise ModelError(f"The model in {folder} predicts no numbers.", "Train it again.")


def _truths(workspace: Workspace, folder: Path, record: RunRecord) -> Iterator[str]:
    """What a fine truth of one's own in the evaluation regions is, and the RMSE against it."""
    path = workspace.dataset_folder(record.dataset) / "dataset.json"
    if not path.is_file():
        return
    found: dict[str, float] = {}
    if (folder / SCORES_FILE).is_file():
        scores = read_record(folder / SCORES_FILE, Scores).scores
        method = record.settings.network
        found = {each.region: each.fine.rmse for each in scores if each.fine and each.method == method}
    for region in read_record(path, DatasetManifest).regions:
        if region.fine_truth is not None and region.name in record.evaluate_regions:
            yield f"- {region.name}: {' '.join(region.fine_truth.sentences)}"
            if region.name in found:
                yield f"  RMSE of the prediction against it: {found[region.name]:.3f} {RADIANCE_UNIT}."


def _card(folder: Path, record: RunRecord, config: ModelConfig, truths: Sequence[str] = ()) -> Iterator[str]:
    settings = record.settings
    inputs = ", ".join(f"{band.name} ({band.unit})" for band in config.bands)
    yield f"# Model card: {record.name}"
    yield ""
    yield (
        f"`{settings.network}`, {record.parameters:,} weights, predicts night-time radiance in "
        f"{config.radiance_unit} at 29 m from {inputs}"
        f"{', and the measured VIIRS radiance' if config.viirs_input else ''}."
    )
    yield ""
    yield "## Intended use"
    yield f"{BLANK}: what it is for, and what it is not for]"
    yield ""
    yield "## Data"
    yield f"{record.source.label}. {_simulated(config)}"
    yield f"Trained on: {', '.join(record.train_regions)}."
    yield f"Evaluated on: {', '.join(record.evaluate_regions)}."
    yield f"Digest of the dataset: `{config.dataset_sha256}`."
    yield ""
    yield "## Settings"
    yield from _settings(read_members(folder, record), record)
    yield from _texture(record, config)
    yield f"- trained on: {record.without_machine().device or 'an unknown device'}"
    yield from _bounds(config, record)
    yield ""
    yield "## Scores"
    yield from _scores(folder)
    if truths:
        yield ""
        yield "Fine truth in the evaluation regions:"
        yield ""
        yield from truths
    yield ""
    yield "## Limits"
    if config.simulated:
        yield "Trained and scored on a simulated planet: nothing here says how well it does on the Earth."
    yield (
        "Light that the daytime image does not show (lamps switched off, flares, ships) cannot be "
        "predicted. VIIRS measures after midnight, over footprints of about 742 m."
    )
    yield f"{BLANK}: where else not to trust it]"
    yield ""
    yield "## Licence"
    yield f"{BLANK}: licence of the weights, such as CC-BY-4.0]"


def _settings(members: list[Member], record: RunRecord) -> Iterator[str]:
    """The settings of a run; of an ensemble, those that its members share, below a table of the others."""
    every = [
        {
            **member.settings.model_dump(exclude={"train_regions", "evaluate_regions"}),
            "epochs_done": member.epochs_done,
            "weights": f"{member.parameters:,}",
        }
        for member in members
    ]
    if not every:
        yield f"The mean of {len(record.members)} runs: {', '.join(record.members)}."
        yield f"{BLANK}: the settings of each, which were not recorded when they were combined]"
        return
    differ = [name for name in every[0] if any(values[name] != every[0][name] for values in every)]
    if record.members:
        yield f"The mean of {len(members)} networks, each trained on its own. They differ in:"
        yield ""
        yield f"| member | {' | '.join(name.replace('_', ' ') for name in differ)} |"
        yield f"|---|{'---|' * len(differ)}"
        for member, values in zip(members, every, strict=True):
            yield f"| {member.name} | {' | '.join(str(values[name]) for name in differ)} |"
        yield ""
        yield "All of them have:"
        yield ""
    for name, value in every[0].items():
        if name not in differ:
            yield f"- {name.replace('_', ' ')}: {value}"


def _bounds(config: ModelConfig, record: RunRecord) -> Iterator[str]:
    """Guide, limit, shrinkage and cap of a model that has them."""
    if config.guide is not None:
        guide = config.guide
        yield (
            f"- guide: a footprint regression of {guide.size} weights above 0, terms: {guide.feature_set} "
            f"(RMSE in regions left out: {guide.errors.get(guide.feature_set, 0.0):.3f} "
            f"{config.radiance_unit} at the VIIRS grid)"
        )
    if config.boosting is not None:
        trees = config.boosting
        alone, kept = trees.errors
        yield (
            f"- boosting: {len(trees.trees)} trees multiply it by at most x {math.exp(trees.limit):.2f} "
            f"(RMSE in regions left out: {kept:.3f} {config.radiance_unit} at the VIIRS grid, {alone:.3f} "
            "without)"
        )
    if config.residual_limit is not None and config.residual_share is not None:
        limit, share = config.residual_limit, config.residual_share
        yield (
            f"- limit: the network changes the guide by at most x {math.exp(limit):.2f} (logarithm "
            f"{limit:g}); {share:.0%} of the logarithm is kept, so by at most x {math.exp(limit * share):.2f}"
        )
    if config.largest_radiance is not None:
        at_cap = "not counted" if record.at_cap is None else f"{record.at_cap:.4%} of the scored 29 m pixels"
        yield f"- cap: no pixel above {config.largest_radiance:.4g} {config.radiance_unit}; at it: {at_cap}"


def _texture(record: RunRecord, config: ModelConfig) -> Iterator[str]:
    """The parts of a model of level and texture."""
    if not config.texture_networks:
        return
    for part in record.parts:
        if part.part != "together":
            yield f"- {part.part}: {part.networks} x {part.network}, {part.parameters:,} weights"
    yield (
        "- joined: the light of the texture networks, its logarithm smoothed by "
        f"{config.texture_smoothing:g} pixels, is multiplied by a smooth factor until VIIRS would see of it "
        "what it sees of the level network's"
    )


def _simulated(config: ModelConfig) -> str:
    return "Simulated imagery." if config.simulated else "Measured imagery."


def _scores(folder: Path) -> Iterator[str]:
    from nightlights.metrics import ALL_REGIONS

    found: list[tuple[str, Score]] = []
    if (folder / SCORES_FILE).is_file():
        own = read_record(folder / SCORES_FILE, Scores)
        where = f"evaluation regions{' (simulated)' if own.simulated else ''}"
        found += [
            (where, score) for score in own.scores if score.role == "evaluate" and score.region == ALL_REGIONS
        ]
    for path in sorted(folder.glob(f"{STANDARD_PREFIX}*.json")):
        record = read_record(path, _CityScores)
        where = f"standard {record.split} cities, version {record.standard_version} (simulated)"
        every = (each for each in record.scores if (each.group, each.planet_seed) == ("all", None))
        pooled = {each.method: each for each in every}
        found += [(where, pooled[method]) for method in record.methods if method in pooled]
    if not found:
        yield f"{BLANK}: evaluate it first, and draft the card again]"
        return
    yield f"At the VIIRS grid, in {found[0][1].unit}, over all pixels:"
    yield ""
    yield "| where | method | RMSE | MAE | bias | VIIRS pixels |"
    yield "|---|---|---|---|---|---|"
    for where, score in found:
        yield (
            f"| {where} | {score.method} | {score.rmse:.3f} | {score.mae:.3f} | {score.bias:+z.3f} | "
            f"{score.pixels:,} |"
        )
