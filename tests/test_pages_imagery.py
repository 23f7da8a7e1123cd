"""The Imagery page: the form, the estimate, the gallery, the histogram, deletion."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages_workspace import add_dataset, add_job, add_regions, app, submitted
from truth_samples import own_truth_record

from nightlights.bands import LANDSAT_BANDS, Band
from nightlights.interface.dataset_view import radiance_counts
from nightlights.interface.export_progress import region_shares
from nightlights.interface.gallery import composite_rgb, composites, patch_places
from nightlights.interface.job_list import jobs_to_show
from nightlights.interface.legends import nice_limit
from nightlights.interface.plots import radiance_histogram
from nightlights.jobs import JobStore
from nightlights.manifests import ExportRequest, TruthRequest, write_record
from nightlights.region_files import load_collection
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def texts(page: Any) -> str:
    """All that the page says."""
    kinds = (page.markdown, page.caption, page.info, page.error, page.success, page.warning)
    html = [element.proto.body for element in page.get("html")]
    return "\n".join([element.value for kind in kinds for element in kind] + html)


def test_without_regions_the_page_says_what_comes_first(app: Any, space: Workspace) -> None:
    page = app("imagery", space)
    assert "There are no regions yet" in texts(page)
    assert [button.label for button in page.button] == []


def test_the_estimate_stands_beside_export_and_a_click_submits_the_form(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    add_regions(space)
    page = app("imagery", space)
    assert any("4 regions" in caption.value and "on disk" in caption.value for caption in page.caption)
    page.number_input(key="export_seed").set_value(7)
    page.text_input(key="export_name").set_value("west")
    page.run()
    (button,) = [button for button in page.button if button.label == "Export"]
    button.click().run()
    ((kind, request),) = submitted
    assert kind == "export"
    assert (request.dataset, request.regions, request.planet_seed, request.bands) == (
        "west",
        "cities",
        7,
        None,
    )


def test_the_instrument_over_the_planet_can_be_varied_and_its_defaults_change_nothing(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    add_regions(space)
    page = app("imagery", space)

    def export() -> ExportRequest:
        next(button for button in page.button if button.label == "Export").click().run()
        request: ExportRequest = submitted[-1][1]
        return request

    usual = ExportRequest(dataset="cities", regions="cities")
    fields = ("noise_share", "width_factor", "glow_share", "glow_fwhm_m")
    assert [getattr(export(), name) for name in fields] == [getattr(usual, name) for name in fields]
    assert page.number_input(key="export_glow_fwhm").disabled
    for name, value in (("noise", 10.0), ("width_factor", 1.1), ("glow", 15.0)):
        page.number_input(key=f"export_{name}").set_value(value)
    page.run()
    page.number_input(key="export_glow_fwhm").set_value(6000.0).run()
    assert [getattr(export(), name) for name in fields] == [0.1, 1.1, 0.15, 6000.0]
    # Without a glow its width is that of a request that says nothing of it.
    page.number_input(key="export_glow").set_value(0.0).run()
    assert export().glow == usual.glow
    labels = {each.label for each in page.number_input}
    assert {"Noise of VIIRS (% of the light)", "Width of the glow (m)"} <= labels


def test_bands_that_are_left_out_are_left_out_of_the_request(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    add_regions(space)
    page = app("imagery", space)
    page.get("button_group")[-1].set_value(["SR_B5", "SR_B2"]).run()
    next(button for button in page.button if button.label == "Export").click().run()
    assert submitted[0][1].bands == ["SR_B2", "SR_B5"]


def test_a_bad_region_is_told_before_the_export(app: Any, space: Workspace) -> None:
    add_regions(space)
    file = space.regions_file("cities")
    file.write_text(file.read_text().replace('"lagos"', '"accra"', 1))
    page = app("imagery", space)
    assert "accra" in page.error[0].value
    assert not [button for button in page.button if button.label == "Export"]


def test_a_bad_dataset_name_is_told(app: Any, space: Workspace) -> None:
    add_regions(space)
    page = app("imagery", space)
    page.text_input(key="export_name").set_value("no/slash").run()
    assert "pattern" in page.error[0].value or "name" in page.error[0].value
    assert not [button for button in page.button if button.label == "Export"]


def test_the_gallery_shows_pairs_and_others_on_demand(app: Any, space: Workspace) -> None:
    add_regions(space)
    add_dataset(space)
    page = app("imagery", space)
    before = texts(page)
    assert before.count("<img ") == 24
    assert before.count("VIIRS of ") == 6
    next(button for button in page.button if button.label == "Show others").click().run()
    after = texts(page)
    assert after.count("<img ") == 24
    assert after != before


def test_the_table_gives_lit_and_missing_share_in_per_cent(app: Any, space: Workspace) -> None:
    manifest = add_dataset(space)
    table = app("imagery", space).dataframe[0].value
    assert list(table["Region"]) == [region.name for region in manifest.regions]
    assert table["Missing"].tolist() == pytest.approx([100 * 600 / 320**2] * 4)
    assert table["Lit"].tolist() == pytest.approx(
        [100 * region.radiance.lit_share for region in manifest.regions]
    )


def test_deleting_asks_again(app: Any, space: Workspace) -> None:
    add_dataset(space)
    page = app("imagery", space)
    assert not [button for button in page.button if button.label == "Delete this dataset"]
    next(button for button in page.button if button.label == "Yes, delete it").click().run()
    assert space.dataset_names() == []
    assert "Deleted the dataset cities." in texts(page)


def test_a_dataset_in_use_is_not_deleted(app: Any, space: Workspace) -> None:
    add_dataset(space)
    add_job(space, "train", {"run": "first", "dataset": "cities"}, "running")
    page = app("imagery", space)
    next(button for button in page.button if button.label == "Yes, delete it").click().run()
    assert space.dataset_names() == ["cities"]
    assert "Wait until it ends" in page.error[0].value


@pytest.mark.parametrize(
    ("state", "said"),
    [("running", "running 25 %"), ("failed", "The disk is full."), ("interrupted", "ended unexpectedly")],
)
def test_the_page_says_how_the_export_stands(app: Any, space: Workspace, state: Any, said: str) -> None:
    add_regions(space)
    add_job(space, "export", {"dataset": "west", "regions": "cities"}, state)
    page = app("imagery", space)
    assert said in texts(page)
    assert any(button.label == ("Cancel" if state == "running" else "Resume") for button in page.button)


@pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted"])
def test_only_the_newest_job_of_a_target_is_shown(space: Workspace, state: Any) -> None:
    """A stopped export is shown beside an older dataset, and no longer once a newer job is done."""
    request = {"dataset": "west", "regions": "cities"}
    store = JobStore(space)
    done = store.get(add_job(space, "export", request, "done"))
    stopped = store.get(add_job(space, "export", {**request, "overwrite": True}, state))
    assert jobs_to_show([done]) == []
    assert jobs_to_show([stopped, done]) == [stopped]
    assert jobs_to_show([done, stopped]) == []


def test_an_export_that_could_not_replace_a_dataset_is_shown_beside_it(app: Any, space: Workspace) -> None:
    add_regions(space)
    add_dataset(space)
    request = {"dataset": "cities", "regions": "cities", "overwrite": True}
    job = add_job(space, "export", request, "failed")
    page = app("imagery", space)
    assert "The disk is full." in texts(page)
    assert "Resume" in [button.label for button in page.button]
    page.button(key=f"dismiss-{job}").click().run()
    assert "The disk is full." not in texts(page)
    assert space.dataset_names() == ["cities"]


def test_a_job_that_stopped_can_be_dismissed(app: Any, space: Workspace) -> None:
    add_regions(space)
    add_job(space, "export", {"dataset": "west", "regions": "cities"}, "failed")
    page = app("imagery", space)
    next(button for button in page.button if button.label == "Dismiss").click().run()
    assert JobStore(space).list() == []
    assert "The disk is full." not in texts(page)


def test_regions_of_an_export_finish_one_after_the_other(space: Workspace) -> None:
    add_regions(space)
    regions = load_collection(space, "cities").regions
    assert region_shares(regions, 0.375) == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert region_shares(regions, 1.0) == pytest.approx([1.0] * 4)


def test_patches_are_drawn_by_seed_within_their_regions(space: Workspace) -> None:
    manifest = add_dataset(space)
    places = patch_places(manifest, 20, 256, seed=3)
    assert places == patch_places(manifest, 20, 256, seed=3)
    assert places != patch_places(manifest, 20, 256, seed=4)
    for place in places:
        region = next(region for region in manifest.regions if region.name == place.region)
        assert region.window.window.contains(place.window)
        assert place.window.shape == (16, 16)
    assert {place.region for place in places} == {region.name for region in manifest.regions}


def test_a_region_smaller_than_a_patch_is_shown_whole(space: Workspace) -> None:
    manifest = add_dataset(space)
    assert {place.window.shape for place in patch_places(manifest, 4, 1024, seed=0)} == {(20, 20)}


def test_colours_follow_the_display_limits_and_missing_is_transparent() -> None:
    red = next(band for band in LANDSAT_BANDS if band.name == "SR_B4")
    thermal = next(band for band in LANDSAT_BANDS if band.name == "B10")
    image = np.array([[[0.0, 0.35, np.nan]], [[285.0, 302.5, 320.0]]], np.float32)
    grey = composite_rgb(image, [red, thermal], ["B10"])
    assert grey[0, :, 0].tolist() == [0, 128, 255]
    assert grey[0, :, 3].tolist() == [255, 255, 255]
    three = composite_rgb(image, [red, thermal], ["SR_B4", "SR_B4", "B10"])
    assert three[0, 1].tolist() == [255, 255, 128, 255]
    assert three[0, 2, 3] == 0


def test_bands_of_ones_own_are_shown_too() -> None:
    own = [Band(name=f"own{number}") for number in range(4)]
    assert composites(own) == {"Daytime": ("own0", "own1", "own2")}
    assert composites(own[:2]) == {"Daytime": ("own0",)}
    assert list(composites(LANDSAT_BANDS)) == ["True colour", "False colour", "Thermal"]


def test_the_histogram_loses_no_pixel(space: Workspace) -> None:
    manifest = add_dataset(space)
    edges, counts = radiance_counts(manifest)
    assert edges == sorted(edges)
    assert len(edges) == len(counts["train"]) + 1
    assert sum(counts["train"]) == 800
    assert sum(counts["evaluate"]) == 400


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({"train": [0, 3, 0, 0, 0], "evaluate": [0, 0, 0, 7, 0]}, (1.0, 100.0)),
        ({"train": [5, 0, 0, 0, 0]}, (1.0, 10.0)),
        ({"train": [0, 0, 0, 0, 1]}, (100.0, 5000.0)),
    ],
)
def test_the_histogram_shows_the_radiance_that_there_is(
    counts: dict[str, list[int]], shown: tuple[float, float]
) -> None:
    figure = radiance_histogram([-1.0, 1.0, 5.0, 20.0, 100.0, 5000.0], counts)
    assert [10**power for power in figure.layout.xaxis.range] == pytest.approx(shown)


@pytest.mark.parametrize(
    ("largest", "limit"), [(0.07, 0.1), (0.2, 0.2), (1.3, 2.0), (4.9, 5.0), (51.0, 100.0), (0.0, 1.0)]
)
def test_palettes_end_at_round_numbers(largest: float, limit: float) -> None:
    assert nice_limit(largest) == pytest.approx(limit)


def test_rasters_of_ones_own_are_named_by_pattern_with_period_and_nodata(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    add_regions(space)
    add_dataset(space)
    folder = space.dataset_folder("cities")
    page = app("imagery", space, export_source="rasters")
    assert any("at least one daytime file" in caption.value for caption in page.caption)
    page.text_area(key="export_daytime").set_value(f"{folder}/*-daytime.tif\n")
    page.text_area(key="export_nighttime").set_value(f"{folder}/*-viirs.tif")
    page.date_input(key="export_from").set_value(date(2023, 1, 1))
    page.number_input(key="export_night_nodata").set_value(-1.0)
    page.checkbox(key="export_ignore_tag").set_value(True)
    page.checkbox(key="export_median").set_value(True)
    page.run()
    assert not page.exception
    assert not page.error, page.error[0].value
    next(button for button in page.button if button.label == "Export").click().run()
    request = submitted[0][1]
    assert (request.source, request.dataset) == ("rasters", "cities-rasters")
    assert request.daytime_files == [f"{folder}/*-daytime.tif"]
    assert (request.period_start, request.period_end) == ("2023-01-01", None)
    assert (request.nighttime_nodata, request.daytime_nodata) == (-1.0, None)
    assert request.ignore_nodata_tag and request.nighttime_composite == "median"


def test_a_fine_truth_is_named_in_the_form_and_what_was_done_to_it_stands_below(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    add_regions(space)
    manifest = add_dataset(space)
    folder = space.dataset_folder("cities")
    page = app("imagery", space, export_source="rasters")
    assert "Fine truth" not in texts(page)
    page.text_area(key="export_daytime").set_value(f"{folder}/*-daytime.tif\n")
    page.text_area(key="export_nighttime").set_value(f"{folder}/*-viirs.tif")
    page.text_area(key="export_truth").set_value(f"{folder}/abuja-truth.tif")
    page.selectbox(key="export_truth_calibration").set_value("rank")
    page.number_input(key="export_truth_shift").set_value(300.0)
    page.run()
    assert not page.exception and not page.error
    next(button for button in page.button if button.label == "Export").click().run()
    truth = submitted[0][1].truth
    assert truth == TruthRequest(files=[f"{folder}/abuja-truth.tif"], calibration="rank", maximum_shift_m=300)
    first, second, *others = manifest.regions
    changed = [
        first.model_copy(update={"fine_truth": own_truth_record()}),
        second.model_copy(update={"truth": None, "truth_note": "the rasters do not cover it."}),
        *others,
    ]
    write_record(folder / "dataset.json", manifest.model_copy(update={"regions": changed}))
    shown = texts(app("imagery", space, export_source="rasters"))
    assert f"**{first.name}**: Fine truth sdgsat.tif, compared at 58 m" in shown
    assert "Moved by 121 m east and 64 m south to agree with VIIRS" in shown
    assert f"**{second.name}**: No fine truth: the rasters do not cover it." in shown


def test_a_pattern_without_files_is_told(app: Any, space: Workspace) -> None:
    add_regions(space)
    page = app("imagery", space, export_source="rasters")
    page.text_area(key="export_daytime").set_value("nowhere/*.tif")
    page.text_area(key="export_nighttime").set_value("nowhere/*.tif").run()
    assert "nowhere" in page.error[0].value
    assert not [button for button in page.button if button.label == "Export"]


def test_what_was_exported_last_is_shown_as_soon_as_it_is_there(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    add_regions(space)
    add_dataset(space)
    page = app("imagery", space)
    next(button for button in page.button if button.label == "Export").click().run()
    assert page.selectbox(key="dataset").value == "cities"
    add_dataset(space, submitted[0][1].dataset)
    page.run()
    assert not page.exception
    assert page.selectbox(key="dataset").value == submitted[0][1].dataset != "cities"


def test_with_a_faulty_region_no_button_is_named_that_is_not_there(
    app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Workspace.open(tmp_path / "faulty")
    add_regions(space)
    assert any("click **Export**" in each.value for each in app("imagery", space).info)
    monkeypatch.setenv("NIGHTLIGHTS_MAXIMUM_REGION_KM2", "1")
    page = app("imagery", space)
    assert not [button for button in page.button if button.label == "Export"]
    assert not any("click **Export**" in each.value for each in page.info)
    assert "Go back to the regions" in [each.proto.label for each in page.get("page_link")]
