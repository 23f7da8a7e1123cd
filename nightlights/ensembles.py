"""Several trained networks as one model, whose prediction is the mean of theirs.

Networks that were trained from other first weights err in other places, most of all where VIIRS does not
say which of two predictions is right: within its footprints. Their mean errs less (Hansen and Salamon 1990,
doi:10.1109/34.58871; Lakshminarayanan et al. 2017, arXiv:1612.01474).
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Scaling
from nightlights.errors import ModelError, WorkspaceError
from nightlights.files import make_folder
from nightlights.manifests import ModelConfig, RunRecord, read_record, write_record
from nightlights.models import CONFIG_FILE, load_model, save_model
from nightlights.networks.fixed_maps import fixed_map
from nightlights.networks.guided import straightened
from nightlights.networks.means import geometric_mean
from nightlights.records import SCHEMA_VERSION, Record
from nightlights.training_settings import TrainingSettings

RUN_FILE = "run.json"
MEMBERS_FILE = "members.json"
_OF_ONE_MEMBER: Final[dict[str, None]] = dict.fromkeys(
    ("guide", "boosting", "residual_limit", "residual_share", "largest_radiance")
)
_OF_AN_OLDER_RUN = ("metrics.json", "history.csv", "uncertainty.json", "card.md", MEMBERS_FILE)


class Member(Record):
    """A run that an ensemble averages."""

    name: str
    settings: TrainingSettings
    epochs_done: int
    parameters: int


class Members(Record):
    """``members.json`` beside the model of an ensemble."""

    schema_version: Literal[1] = SCHEMA_VERSION
    members: list[Member]


def read_members(folder: Path, record: RunRecord) -> list[Member]:
    """The members of the ensemble in ``folder``; a run that is none is its own only one.

    Empty where they were not written down, or belong to another run that once was here.
    """
    if not record.members:
        return [_member(record)]
    with contextlib.suppress(WorkspaceError):
        found = read_record(folder / MEMBERS_FILE, Members).members
        if [member.name for member in found] == record.members:
            return found
    return []


def _member(record: RunRecord) -> Member:
    return Member(
        name=record.name,
        settings=record.settings,
        epochs_done=record.epochs_done,
        parameters=record.parameters,
    )


def combine(
    members: Sequence[Path], folder: Path, name: str, *, series: str = "", geometric: bool = False
) -> RunRecord:
    """Write the mean of trained runs to ``folder`` as a run of its own.

    The mean is taken of transformed radiance unless it is ``geometric``. Members with and without VIIRS as an
    input may be mixed; the model then takes it. Bands come scaled and limited as the last member scales them;
    each other member's scaling follows by an affine map, so members may have been fitted to other patches.

    Parameters
    ----------
    members:
        Folders of finished runs of one network, on one dataset.
    name:
        Of the combined run.
    series:
        What it is part of itself, whatever its members are part of.
    geometric:
        Take the geometric mean of light, see :func:`nightlights.networks.means.geometric_mean`.

    Returns
    -------
    RunRecord
        That of the last member, with the sum of all weights and seconds, every region that a member was
        trained on, and ``members`` named.

    Raises
    ------
    ModelError
        When a run is not finished, or the members do not go together.
    WorkspaceError
        When a record is missing, or the folder cannot be written.
    """
    if not members:
        raise ModelError("An ensemble needs at least one run.", "Name the runs.")
    records = [read_record(member / RUN_FILE, RunRecord) for member in members]
    loaded = [load_model(member) for member in members]
    for record, (_, config) in zip(records, loaded, strict=True):
        if record.finished is None:
            raise ModelError(f"The run {record.name} is not finished.", "Resume it first.")
        if config.texture_networks:
            raise ModelError(
                f"The run {record.name} has texture networks beside its level network: there is no mean of "
                "such runs.",
                "Combine runs that were trained without (--texture-networks 0).",
            )
        differ = _different(_frame(config), _frame(loaded[0][1]))
        if differ:
            raise ModelError(
                f"{records[0].name} and {record.name} do not go together: they differ in "
                f"{' and '.join(differ)}.",
                "Combine runs that share it; only the seed, the schedule and the like may differ.",
            )
    viirs_input = any(config.viirs_input for _, config in loaded)
    model = _mean(loaded, len(loaded[0][1].bands) + viirs_input, geometric=geometric)
    make_folder(folder)
    # The record comes last: a folder without one is no run. What an older run left says nothing of this one.
    for stale in (RUN_FILE, *_OF_AN_OLDER_RUN):
        (folder / stale).unlink(missing_ok=True)
    save_model(folder, model)
    caps = [config.largest_radiance for _, config in loaded]
    own: dict[str, Any] = {**_OF_ONE_MEMBER, "viirs_input": viirs_input}
    own["guide_reach"] = max(config.guide_reach for _, config in loaded)
    own["largest_radiance"] = None if None in caps else max(cap for cap in caps if cap is not None)
    write_record(folder / CONFIG_FILE, loaded[-1][1].model_copy(update=own))
    seen = list(dict.fromkeys(region for record in records for region in record.train_regions))
    record = records[-1].model_copy(
        update={
            "name": name,
            "members": [record.name for record in records],
            "settings": records[-1].settings.model_copy(update={"viirs_input": viirs_input}),
            "train_regions": seen,
            "evaluate_regions": [region for region in records[-1].evaluate_regions if region not in seen],
            "parameters": sum(record.parameters for record in records),
            "seconds": sum(record.seconds for record in records),
            "train_rmse": None,
            "evaluation_rmse": None,
            "at_cap": None,
            # It is a run of its own, even where its members are those of a sweep.
            "series": series,
            "notes": f"The mean of {', '.join(record.name for record in records)}.",
        }
    )
    write_record(folder / MEMBERS_FILE, Members(members=[_member(each) for each in records]))
    write_record(folder / RUN_FILE, record)
    return record


def _frame(config: ModelConfig) -> ModelConfig:
    """What members share: all but the figures of the scaling, the input of VIIRS, and what lies within."""
    ones = (1.0,) * len(config.scaling.bands)
    same = Scaling(bands=config.scaling.bands, center=ones, spread=ones, lower=ones, upper=ones)
    return config.model_copy(
        update={"viirs_input": False, "scaling": same, "guide_reach": 0, **_OF_ONE_MEMBER}
    )


def _different(one: ModelConfig, other: ModelConfig) -> list[str]:
    """What two configurations do not share, in words."""
    words = {"dataset_sha256": "dataset", "point_spread_fwhm_m": "width of the point spread"}
    words |= {"glow_share": "fraction of the glow", "glow_fwhm_m": "width of the glow"}
    words |= {"trained_on_truth": "label", "viirs_smoothing": "smoothing of VIIRS"}
    return [
        words.get(name, name.replace("_", " "))
        for name in ModelConfig.model_fields
        if getattr(one, name) != getattr(other, name)
    ]


def _mean(loaded: Sequence[tuple[Any, ModelConfig]], channels: int, *, geometric: bool) -> Any:
    import keras

    scaling = loaded[-1][1].scaling
    inputs = keras.Input((None, None, channels), name="bands")
    outputs = []
    for number, (model, config) in enumerate(loaded, start=1):
        model.name = f"member{number}"
        own = len(config.bands) + config.viirs_input
        if _knees(scaling) == _knees(config.scaling):
            kernel, bias = _affine(scaling, config.scaling, channels, own)
            tensor = fixed_map(inputs, kernel, bias, f"member{number}_inputs")
        else:
            tensor = _rescaled(inputs, scaling, config.scaling, channels, own, f"member{number}")
        outputs.append(model(tensor))
    if geometric:
        return keras.Model(inputs, geometric_mean(outputs, loaded[-1][1].transform), name="ensemble")
    mean = keras.layers.Average(name="transformed_radiance")(outputs) if len(outputs) > 1 else outputs[0]
    return keras.Model(inputs, mean, name="ensemble")


def _affine(
    given: Scaling, wanted: Scaling, channels: int, own: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel and bias that turn bands scaled as ``given`` into bands scaled as ``wanted``; the rest stays."""
    count = len(given.bands)
    kernel, bias = np.eye(channels, own), np.zeros(own)
    kernel[range(count), range(count)] = np.divide(given.spread, wanted.spread)
    bias[:count] = np.subtract(given.center, wanted.center) / np.asarray(wanted.spread)
    return kernel, bias


def _knees(scaling: Scaling) -> tuple[float, ...]:
    return scaling.knee or (0.0,) * len(scaling.bands)


def _rescaled(inputs: Any, given: Scaling, wanted: Scaling, channels: int, own: int, name: str) -> Any:
    """As :func:`_affine`, where the scalings bend the bands at other knees."""
    from keras import ops

    count = len(given.bands)
    scaled = fixed_map(inputs, np.eye(channels, count), np.zeros(count), f"{name}_bands")
    bands, spread, center = straightened(scaled, given, name)
    knee = np.asarray(_knees(wanted))
    bent = knee > 0
    divisor = np.where(bent, knee, 1.0)
    units = fixed_map(bands, np.diag(spread), center, f"{name}_units")
    lower, upper = (np.asarray(limits, np.float32) for limits in (wanted.lower, wanted.upper))
    limited = ops.maximum(ops.minimum(units, upper), lower)
    ratios = fixed_map(limited, np.diag(bent / divisor), np.zeros(count), f"{name}_ratios")
    straight = fixed_map(limited, np.diag(~bent * 1.0), np.zeros(count), f"{name}_straight")
    scale, shift = np.asarray(wanted.spread), np.asarray(wanted.center)
    result = fixed_map(ops.arcsinh(ratios) + straight, np.diag(1 / scale), -shift / scale, f"{name}_inputs")
    if own == count:
        return result
    viirs = np.eye(channels)[:, count:own]
    return ops.concatenate([result, fixed_map(inputs, viirs, np.zeros(own - count), f"{name}_viirs")], -1)
