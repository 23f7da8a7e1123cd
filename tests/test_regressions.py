"""Footprint regressions and the networks that multiply them: fits, bounds, shares, caps, resuming."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, WINDOWS, LearnableSource, learnable_dataset
from numpy.typing import NDArray
from shapely import box
from standard.boosting import fit_footprint_boosting, fit_gradient_boosting

from nightlights.bands import Band, Scaling, heavy_tailed
from nightlights.baselines import compare_baseline, fit_linear_regression
from nightlights.datasets import Dataset, export_dataset
from nightlights.ensembles import combine
from nightlights.errors import Cancelled, ModelError
from nightlights.footprint_terms import ClassMap, FootprintRegression, Part, Term, box_mean
from nightlights.grid import Window
from nightlights.manifests import (
    ExportRequest,
    ModelConfig,
    RunRecord,
    TrainingRequest,
    TrainingSettings,
    read_record,
)
from nightlights.models import load_model
from nightlights.networks import NETWORKS
from nightlights.observation import observe
from nightlights.patches import PatchSampler
from nightlights.prediction import Predictor
from nightlights.prediction.tiling import Tiling
from nightlights.progress import NoProgress
from nightlights.promotion import draft_card
from nightlights.regions import Region
from nightlights.regressions import FootprintBaseline, fit_footprint_baseline, fit_regression, sums
from nightlights.regressions.classes import class_map
from nightlights.regressions.samples import training_sample
from nightlights.training import train
from nightlights.training.choices import choosing_cost, footprints_per_patch, patches_per_region
from nightlights.training.configs import guide_imagery, new_config
from nightlights.training.history import read_history
from nightlights.training.run import _Run
from nightlights.training_settings import counted_patches
from nightlights.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PEOPLE = Band(name="people", quantity="other", unit="1")
LIGHT_OF_NOBODY, LIGHT_EACH = 0.3, 0.5
HYBRID = TrainingSettings(
    network="tiny",
    epochs=2,
    patches_per_region=4,
    patch_size=64,
    batch_size=4,
    evaluation_patches=2,
    guide="footprint regression",
    light_cap=5.0,
    compress_tails=True,
)


class PeopleSource(LearnableSource):
    """People in a few pixels, and light that is proportional to them."""

    bands = (PEOPLE,)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        generator = np.random.default_rng([window.row, window.column, 7])
        lived_in = generator.random(window.fine_shape) < 0.05
        return np.where(lived_in, generator.lognormal(2, 1, window.fine_shape), 0)[None].astype(np.float32)

    def truth(self, window: Window) -> NDArray[np.float32]:
        return LIGHT_OF_NOBODY + LIGHT_EACH * self.daytime(window)[0]

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        return observe(self.truth(window), window).astype(np.float32)


class SnowSource(PeopleSource):
    """Light that falls with a band of reflectance."""

    bands = (Band(name="snow", quantity="reflectance", unit="1"),)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        return (0.3 + 0.05 * self._noise(window, 0))[None].astype(np.float32)

    def truth(self, window: Window) -> NDArray[np.float32]:
        return 10 * (0.6 - self.daytime(window)[0])


def exported(root: Path, source: Any) -> Dataset:
    workspace = Workspace.open(root)
    regions = [Region(key, role, box(*window.bounds)) for key, (window, role) in WINDOWS.items()]
    request = ExportRequest(dataset="people", regions="some")
    export_dataset(workspace, request, source, regions, NoProgress())
    return Dataset.open(workspace, "people")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return exported(tmp_path_factory.mktemp("people"), PeopleSource())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("learnable"))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    yield


def run(
    dataset: Dataset, folder: Path, settings: TrainingSettings = HYBRID, progress: Any = None, **changes: Any
) -> RunRecord:
    wanted = settings.model_copy(update=changes)
    request = TrainingRequest(run=folder.name, dataset=dataset.manifest.name, settings=wanted)
    return train(dataset, request, folder, progress or NoProgress(), resume=True)


def predicted(folder: Path, dataset: Dataset, region: str, tile: int | None = None) -> NDArray[np.float32]:
    predictor = Predictor.load(folder, tile)
    window = dataset.region(region).window.window
    light = np.full(window.fine_shape, np.nan, np.float32)
    for part, radiance in predictor.blocks(dataset, region, NoProgress()):
        light[part.fine_slices_in(window)] = radiance
    return light


def guide_of(folder: Path, dataset: Dataset, region: str) -> NDArray[np.float64]:
    config = read_record(folder / "config.json", ModelConfig)
    assert config.guide is not None
    return FootprintBaseline(config.guide, config.scaling).predict(dataset.read_daytime(region))


def test_weights_are_those_of_pixels_though_only_footprints_are_known(people: Dataset) -> None:
    baseline = fit_footprint_baseline(people, ["north", "south"])
    truth = people.read_truth("east")
    assert truth is not None
    light = baseline.predict(people.read_daytime("east"))
    np.testing.assert_allclose(light, truth, rtol=0.02, atol=0.02)
    pixelwise = fit_linear_regression(people, ["north", "south"]).predict(people.read_daytime("east"))
    assert np.abs(pixelwise - truth).mean() > 20 * np.abs(light - truth).mean()


def test_light_may_fall_with_a_band(tmp_path: Path) -> None:
    dataset = exported(tmp_path, SnowSource())
    truth = dataset.read_truth("east")
    assert truth is not None
    light = fit_footprint_baseline(dataset, ["north", "south"]).predict(dataset.read_daytime("east"))
    assert np.abs(light - truth).mean() < 0.1 * truth.std()


def test_a_regression_follows_what_no_line_gives_and_its_set_is_chosen_in_regions_left_out(
    dataset: Dataset,
) -> None:
    baseline = fit_footprint_baseline(dataset, ["north", "south"])
    regression = baseline.regression
    assert regression.feature_set not in ("linear", "roots") and regression.size > 1
    assert regression.errors[regression.feature_set] < 0.5 * regression.errors["linear"]
    errors = [
        compare_baseline(each, dataset, "east").score(each.method, "east").rmse
        for each in (baseline, fit_linear_regression(dataset, ["north", "south"]))
    ]
    assert errors[0] < 0.5 * errors[1]
    again = compare_baseline(baseline, dataset, "east").score("again", "east").rmse
    assert again == errors[0]


def test_sums_do_not_depend_on_tiles(people: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_regression(people, ["north", "south"])
    monkeypatch.setattr(sums, "TILE", 5)
    tiled = fit_regression(people, ["north", "south"])
    assert tiled.feature_set == whole.feature_set
    np.testing.assert_allclose(tiled.weights, whole.weights, rtol=1e-6, atol=1e-9)
    assert any(term.context for term in fit_regression(people, ["north"]).terms) or whole.errors


def test_a_part_has_the_weights_of_the_other_parts(people: Dataset) -> None:
    both = fit_regression(people, ["north", "south"])
    sample = training_sample(people, ["north", "south"])
    alone = fit_regression(people, ["south"], sample=sample)
    assert [part.region for part in both.parts] == ["north", "south"]
    assert both.feature_set == alone.feature_set
    np.testing.assert_allclose(both.parts[0].weights, alone.weights, rtol=1e-6, atol=1e-9)
    # A single region is cut into strips, of which each can be left out.
    assert len(alone.parts) == 4 and {part.region for part in alone.parts} == {"south"}
    assert sum(part.place.width * part.place.height for part in alone.parts) == 144


def test_the_context_is_the_mean_of_what_is_known_around() -> None:
    image = np.random.default_rng(1).random((9, 12)).astype(np.float32)
    mean = box_mean(image, 5)
    assert mean[4, 6] == pytest.approx(image[2:7, 4:9].mean(), rel=1e-5)
    assert mean[0, 11] == pytest.approx(image[:3, 9:].mean(), rel=1e-5)
    term = Term(variable=0, low=0, high=1, falling=True, context=5)
    np.testing.assert_allclose(term.values(image), np.sqrt((1 - image) * (1 - mean)), rtol=1e-4)


def with_context(bands: tuple[str, ...]) -> FootprintRegression:
    terms = (
        Term(variable=0, low=0.05, high=0.3, limit=1.5, context=33),
        Term(variable=1, low=290, high=310, falling=True),
        Term(variable=2, low=-5.0, high=5.0, power=0.5, limit=2.0),
        Term(variable=0, low=0.1, high=0.2, falling=True, context=33),
        Term(variable=0, member=1),
        Term(variable=0, member=2),
    )
    maps = (ClassMap(slopes=((0.0, 0.0), (30.0, 0.1), (-20.0, 0.2)), offsets=(0.0, -36.0, -55.0)),)
    variables = ((1.0, 0.0), (0.0, 1.0), (20.0, -0.01))
    part = Part(region="north", window=(43_000, 16_000, 12, 12), weights=(1.0, 9.0, 0.0, 0.5, 2.0, 3.0, 0.0))
    return FootprintRegression(
        bands=bands,
        variables=variables,
        terms=terms,
        feature_set="by hand",
        weights=(0.5, 8.0, 3.0, 0.0, 1.5, 4.0, 7.0),
        maps=maps,
        parts=(part,),
    )


def test_classes_tell_what_is_lit_where_no_single_band_does(dataset: Dataset) -> None:
    window = dataset.region("north").window.window
    values = np.moveaxis(dataset.read_daytime("north"), 0, -1).astype(np.float64)
    classes = class_map(values.reshape(-1, 2), [0, 1], 6, whitened=True)
    normaliser = classes.normaliser(values)
    shares = np.stack([classes.membership(values, member, normaliser) for member in range(6)])
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-9)
    assert shares.shape[1:] == window.fine_shape and shares.max(axis=(1, 2)).min() > 0.8
    weights = np.arange(6.0)
    np.testing.assert_allclose(classes.weighted(values, weights), np.tensordot(weights, shares, 1), rtol=1e-9)
    # The same pixels, a degree warmer in other units: the classes stay.
    warmer = class_map(values.reshape(-1, 2) * [1, 1.8] + [0, -460], [0, 1], 6, whitened=True)
    np.testing.assert_allclose(
        warmer.logits(values * [1, 1.8] + [0, -460])
        - warmer.normaliser(values * [1, 1.8] + [0, -460])[..., None],
        classes.logits(values) - normaliser[..., None],
        atol=1e-4,
    )


def test_a_model_in_tiles_equals_the_regression_of_the_whole_region(
    dataset: Dataset, people: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nightlights.training.configs.fit_regression",
        lambda dataset, *_, **__: with_context(tuple(band.name for band in dataset.manifest.bands)),
    )
    settings = NETWORKS["footprint-regression"].settings.model_copy(
        update={"patch_size": 64, "evaluation_patches": 2}
    )
    record = run(dataset, tmp_path / "fitted", settings)
    history = read_history(tmp_path / "fitted")
    assert len(history) == 1 and record.finished and record.epochs_done == 1
    assert record.parameters == 6 and record.evaluation_rmse == history[0].evaluation_rmse
    model, config = load_model(tmp_path / "fitted")
    assert config.guide_reach == 16 and not model.trainable_weights
    expected = guide_of(tmp_path / "fitted", dataset, "east")
    for tile in (48, 512):
        light = predicted(tmp_path / "fitted", dataset, "east", tile)
        np.testing.assert_allclose(light, expected, rtol=2e-4)
    assert Tiling.for_network(NETWORKS["footprint-regression"], 48, 16).margin == 16
    hybrid = tmp_path / "hybrid"
    run(dataset, hybrid, learning_rate=0.05, residual_share=1.0, epochs=1)
    whole = predicted(hybrid, dataset, "east", 512)
    np.testing.assert_allclose(predicted(hybrid, dataset, "east", 48), whole, rtol=2e-4)
    assert np.abs(whole / guide_of(hybrid, dataset, "east") - 1).max() > 1e-3


def test_bands_with_knees_come_back_to_their_units_in_the_model(people: Dataset, tmp_path: Path) -> None:
    settings = NETWORKS["footprint-regression"].settings.model_copy(
        update={"patch_size": 64, "evaluation_patches": 2, "light_cap": 0.0}
    )
    run(people, tmp_path / "fitted", settings)
    config = load_model(tmp_path / "fitted")[1]
    assert config.scaling.knee[0] > 0
    light = predicted(tmp_path / "fitted", people, "east")
    np.testing.assert_allclose(light, guide_of(tmp_path / "fitted", people, "east"), rtol=1e-3)


def test_a_hybrid_begins_at_its_guide_and_stays_within_its_bounds(dataset: Dataset, tmp_path: Path) -> None:
    run(dataset, tmp_path / "first", learning_rate=1e-7, residual_share=1.0, epochs=1)
    guide = guide_of(tmp_path / "first", dataset, "east")
    np.testing.assert_allclose(predicted(tmp_path / "first", dataset, "east"), guide, rtol=1e-3)
    wild: dict[str, Any] = {"learning_rate": 10.0, "optimizer": "SGD", "gradient_norm": 0.0}
    run(dataset, tmp_path / "wild", residual_share=0.5, residual_limit=1.2, **wild)
    ratio = predicted(tmp_path / "wild", dataset, "east") / guide
    assert np.abs(np.log(ratio)).max() <= 0.6 * 1.001
    assert np.abs(np.log(ratio)).max() > 0.3


def test_no_light_exceeds_the_cap_whatever_the_network(dataset: Dataset, tmp_path: Path) -> None:
    brightest = max(float(dataset.read_nighttime(name).max()) for name in ("north", "south"))
    changes: dict[str, Any] = {"light_cap": 0.25, "epochs": 1, "learning_rate": 0.5}
    for name, guide in (("plain", "none"), ("guided", "footprint regression")):
        run(dataset, tmp_path / name, guide=guide, residual_share=1.0, **changes)
        light = predicted(tmp_path / name, dataset, "east")
        assert light.max() <= 0.25 * brightest * 1.0001
        assert load_model(tmp_path / name)[1].largest_radiance == pytest.approx(0.25 * brightest)
    assert predicted(tmp_path / "guided", dataset, "east").max() == pytest.approx(0.25 * brightest, rel=1e-4)


class StopAt:
    """Progress that cancels at a step, and sees that none is lost."""

    def __init__(self, step: int) -> None:
        self.step, self.last, self.totals = step, 0.0, set[float]()

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        if unit == "steps":
            assert done >= self.last
            self.last = done
            self.totals.add(total)
            if done >= self.step:
                raise Cancelled


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_stopped_hybrid_resumes_to_the_weights_of_an_uninterrupted_one(
    dataset: Dataset, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if there were many regions.
    monkeypatch.setattr("nightlights.training.shrinkage.FEW_REGIONS", 2)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    watched = StopAt(1000)
    run(dataset, whole, HYBRID, watched, seed=3)
    # Two steps an epoch, and a quarter of them for each half.
    assert watched.totals == {6.0} and watched.last == 6
    with pytest.raises(Cancelled):
        run(dataset, stopped, HYBRID, StopAt(step), seed=3)
    assert (stopped / "config.json").exists() == (step == 4)
    record = run(dataset, stopped, HYBRID, seed=3)
    assert record.finished and record.patches == 8
    for one, other in zip(
        load_model(whole)[0].get_weights(), load_model(stopped)[0].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    configs = [read_record(folder / "config.json", ModelConfig) for folder in (whole, stopped)]
    assert configs[0] == configs[1] and configs[0].residual_share in (0, 0.25, 0.5, 0.75, 1)
    assert configs[0].residual_limit == 0.7


def test_a_single_region_is_guided_by_its_other_strips_and_half_of_the_factor_is_kept(
    dataset: Dataset, tmp_path: Path
) -> None:
    run(dataset, tmp_path / "one", train_regions=["north"], epochs=1)
    config = load_model(tmp_path / "one")[1]
    assert choosing_cost(HYBRID, 9) == 0 and choosing_cost(HYBRID, 10) == 0.5
    assert config.guide and len(config.guide.parts) == 4 and config.residual_share == 0.5


def test_training_reads_the_guide_of_the_other_regions_with_what_lies_around_a_patch(
    dataset: Dataset, tmp_path: Path
) -> None:
    begun = _Run(
        dataset, TrainingRequest(run="r", dataset="sample", settings=HYBRID), tmp_path, NoProgress(), float
    )
    sampler = PatchSampler(dataset, ["north"], 64, 1, 0.2, dataset.folder / ".cache")
    config = new_config(dataset, HYBRID, TINY_NETWORK, ["north", "south"], sampler, NoProgress())
    guide = with_context(config.guide.bands if config.guide else ())
    config = config.model_copy(update={"guide": guide, "guide_reach": guide.reach})
    maker = begun._prepare(resumed=False).plan.maker
    maker = type(maker)(
        config.scaling,
        config.transform,
        maker.footprints,
        HYBRID,
        guide=guide,
        imagery=guide_imagery(dataset, [["north"]], config),
    )
    patches = sampler.fixed(3, 1)
    outer = dataset.region("north").window.window
    bands = config.scaling.undo(config.scaling.apply(np.moveaxis(dataset.read_daytime("north"), 0, -1)))
    trained, scored = maker.for_training(patches, 0), maker.for_scoring(patches)
    for index, window in enumerate(patches.windows):
        part = window.fine_slices_in(outer)
        left_out = np.log(guide.radiance(bands, guide.parts[0].weights))[part]
        np.testing.assert_allclose(trained["guide"][index, ..., 0], left_out, rtol=1e-4, atol=1e-4)
        everything = np.log(guide.radiance(bands))[part]
        np.testing.assert_allclose(scored["guide"][index, ..., 0], everything, rtol=1e-4, atol=1e-4)
    assert trained["inputs"].shape[-1] == 3


def test_heavy_tails_are_found_and_bent_and_older_scalings_mean_what_they_meant() -> None:
    generator = np.random.default_rng(2)
    bands = [PEOPLE, PEOPLE, Band(name="red", quantity="reflectance")]
    samples = generator.normal(5, 1, (5000, 3))
    samples[:, 0] = np.where(generator.random(5000) < 0.1, generator.lognormal(2, 1.5, 5000), 0)
    samples[:3, 2] = 4000
    assert heavy_tailed(bands, samples) == [True, False, False]
    names = ["a", "b", "c"]
    scaling = Scaling.fitted(names, samples, heavy_tailed(bands, samples))
    scaled = scaling.apply(samples)
    assert abs(scaled.mean(axis=0)).max() < 0.2 and scaled[:, 0].max() < 15
    np.testing.assert_allclose(scaling.undo(scaled)[:, :2], samples[:, :2], rtol=1e-4, atol=1e-4)
    # Four times the range of the samples can still be told apart.
    extremes = np.array([[3.9 * samples[:, 0].max(), 5, 5], [9 * samples[:, 0].max(), 5, 5]])
    np.testing.assert_allclose(scaling.undo(scaling.apply(extremes))[0, 0], extremes[0, 0], rtol=1e-3)
    assert scaling.undo(scaling.apply(extremes))[1, 0] < extremes[1, 0] / 2
    older = Scaling.fitted(names, samples)
    stored = older.model_dump()
    del stored["knee"]
    np.testing.assert_array_equal(Scaling.model_validate(stored).apply(samples), older.apply(samples))
    expected = (np.clip(samples, older.lower, older.upper) - older.center) / older.spread
    np.testing.assert_allclose(older.apply(samples), expected, rtol=1e-4, atol=1e-4)


def test_passes_count_footprints_and_patches_take_their_place(dataset: Dataset) -> None:
    settings = HYBRID.model_copy(update={"passes": 10.0})
    assert footprints_per_patch(settings) == 4
    assert footprints_per_patch(settings.model_copy(update={"loss": "pixel Huber"})) == 16
    # 144 footprints of each region, ten times, in two epochs.
    assert patches_per_region(dataset.manifest, settings) == math.ceil(10 * 144 / 4 / 2)
    assert patches_per_region(dataset.manifest, HYBRID) == 4
    assert counted_patches({"patches_per_region": 5}) == {"patches_per_region": 5, "passes": 0.0}
    assert counted_patches({"epochs": 5}) == {"epochs": 5}


def test_a_hybrid_of_doubled_pixels_is_predicted_in_tiles_and_a_plain_network_stays_as_it_was(
    dataset: Dataset, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"decoder": "resize", "epochs": 1, "learning_rate": 0.05}
    record = run(dataset, tmp_path / "hybrid", residual_share=1.0, **changes)
    config = load_model(tmp_path / "hybrid")[1]
    assert config.decoder == "resize" and record.settings.decoder == "resize"
    channels = len(config.bands) + 1
    assert record.parameters == TINY_NETWORK.with_decoder("resize").layout.parameters(channels)
    whole = predicted(tmp_path / "hybrid", dataset, "east", 512)
    for tile in (16, 48):
        np.testing.assert_allclose(predicted(tmp_path / "hybrid", dataset, "east", tile), whole, rtol=2e-4)
    assert np.abs(whole / guide_of(tmp_path / "hybrid", dataset, "east") - 1).max() > 1e-3
    run(dataset, tmp_path / "plain", guide="none", **changes)
    assert load_model(tmp_path / "plain")[1].decoder == "transposed"
    stored = config.model_dump()
    del stored["decoder"]
    assert ModelConfig.model_validate(stored).decoder == "transposed"
    assert TrainingSettings.model_validate({"network": "unet-small"}).decoder == "transposed"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "study-unet"}, "study's U-Net stays as it was published"),
        ({"network": "footprint-regression"}, "fitted to VIIRS from the bands alone, without a guide"),
        (
            {"network": "footprint-regression", "guide": "none", "viirs_input": True},
            "without VIIRS as an input",
        ),
    ],
)
def test_what_a_network_cannot_be_is_refused(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        run(dataset, tmp_path / "run", **changes)


def test_the_mean_of_hybrids_of_other_regions_is_their_mean(people: Dataset, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"epochs": 1, "residual_share": 1.0, "learning_rate": 0.1}
    for name in ("north", "south"):
        run(people, tmp_path / name, train_regions=[name], **changes)
    configs = [load_model(tmp_path / name)[1] for name in ("north", "south")]
    assert configs[0].scaling.knee != configs[1].scaling.knee
    combine([tmp_path / "north", tmp_path / "south"], tmp_path / "mean", "mean")
    forward = configs[0].transform.forward
    single = [forward(predicted(tmp_path / name, people, "east")) for name in ("north", "south")]
    mean = forward(predicted(tmp_path / "mean", people, "east"))
    np.testing.assert_allclose(mean, np.mean(single, axis=0), rtol=1e-3, atol=1e-3)
    config = load_model(tmp_path / "mean")[1]
    assert config.guide is None and config.guide_reach == max(each.guide_reach for each in configs)
    caps = [each.largest_radiance for each in configs if each.largest_radiance]
    assert config.largest_radiance == max(caps)


def test_the_card_states_guide_limit_share_and_cap(dataset: Dataset) -> None:
    workspace = Workspace.open(dataset.folder.parent.parent)
    run(dataset, workspace.run_folder("carded"), residual_share=0.25, residual_limit=2.0, light_cap=0.2)
    from nightlights.pipeline import evaluate

    evaluate(workspace, "carded", NoProgress())
    record = read_record(workspace.run_folder("carded") / "run.json", RunRecord)
    light = predicted(workspace.run_folder("carded"), dataset, "east")
    assert record.at_cap is not None and 0 < record.at_cap < 1
    text = draft_card(workspace, "carded").read_text()
    assert "- guide: a footprint regression of" in text
    assert "by at most x 7.39 (logarithm 2); 25% of the logarithm is kept, so by at most x 1.65" in text
    assert f"- cap: no pixel above {light.max():.3g}"[:24] in text and "of the scored 29 m pixels" in text


def test_trees_fitted_through_footprints_know_more_of_pixels_than_those_of_upsampled_viirs(
    people: Dataset,
) -> None:
    truth, image = people.read_truth("east"), people.read_daytime("east")
    assert truth is not None
    through, upsampled = (
        fit(people, ["north", "south"], 1) for fit in (fit_footprint_boosting, fit_gradient_boosting)
    )
    assert through.method != upsampled.method
    lived_in = image[0] > 0
    bright, dark = (through.predict(image)[where].mean() for where in (lived_in, ~lived_in))
    assert bright - dark > 2 * (
        upsampled.predict(image)[lived_in].mean() - upsampled.predict(image)[~lived_in].mean()
    )
