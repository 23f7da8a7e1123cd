"""The glow is found where it is, with its interval, and not where light falls off by itself."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from data_samples import AnalyticSource, region
from numpy.typing import NDArray
from pages_workspace import app

from nightlights.bands import LANDSAT_BANDS
from nightlights.cli import main
from nightlights.datasets import Dataset, export_dataset
from nightlights.export_state import fingerprint
from nightlights.glow import estimate_glow, glow_of_dataset
from nightlights.glow_records import GlowEstimate
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.interface.background import background
from nightlights.interface.glow_panel import glow_question
from nightlights.manifests import DatasetManifest, ExportRequest, SourceRecord, read_record, write_record
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.pipeline import make_source
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import RegionCollection
from nightlights.sources.simulated import SimulatedSource
from nightlights.wording import glow_words
from nightlights.workspace import Workspace

__all__ = ["app"]

Floats = NDArray[np.float64]
LATER = ("glow_share", "glow_fwhm_m", "noise_share", "width_factor")
WINDOW = Window(44_000, 17_500, 100, 110)


def coast(seed: int, spread: PointSpread, inland: float = 0.0) -> Floats:
    """VIIRS of a coast in nW/cm2/sr: water in the west, towns and villages in the east.

    ``inland`` is light of the open country, which falls off from the shore.
    """
    generator = np.random.default_rng(seed)
    shape = WINDOW.fine_shape
    light = np.full(shape, 0.02)
    shore = 50 * FINE_PER_VIIRS
    for _ in range(14):
        row, column = generator.integers(100, shape[0] - 100), generator.integers(shore, shape[1] - 100)
        side = int(generator.integers(16, 90))
        light[row : row + side, column : column + side] += generator.gamma(0.4, 30, (side, side))[
            : shape[0] - row, : shape[1] - column
        ]
    # Villages that are no towns, on land alone.
    villages = generator.uniform(size=(shape[0], shape[1] - shore)) < 2e-4
    light[:, shore:] += 30 * villages + inland
    seen = ObservationOperator(WINDOW, spread).forward(light)
    return seen * (1 + 0.05 * generator.normal(size=seen.shape)) + 0.02 * generator.normal(size=seen.shape)


@pytest.mark.parametrize(
    ("share", "width_m", "seed"), [(0.1, 5_000.0, 1), (0.2, 8_000.0, 2), (0.25, 6_000.0, 3)]
)
def test_a_known_glow_is_found_within_its_interval(share: float, width_m: float, seed: int) -> None:
    found = estimate_glow([coast(seed, PointSpread(742.0, share, width_m))], [WINDOW])
    assert found.supported, found.reason
    assert found.share_lower <= share <= found.share_upper
    assert found.fwhm_lower_m <= width_m <= found.fwhm_upper_m
    assert found.share == pytest.approx(share, rel=0.35)
    assert found.share_upper - found.share_lower < 0.6 * share


def test_pixels_that_are_missing_make_no_glow_larger() -> None:
    measured = coast(2, PointSpread(742.0, 0.2, 8_000.0))
    whole = estimate_glow([measured], [WINDOW])
    measured[:, ::2] = np.nan
    found = estimate_glow([measured], [WINDOW])
    assert found.share == pytest.approx(whole.share, rel=0.1)
    assert found.share_lower <= 0.2 <= found.share_upper


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_none_is_found_where_there_is_none(seed: int) -> None:
    found = estimate_glow([coast(seed, PointSpread())], [WINDOW])
    assert not found.supported and found.reason
    assert found.share < 0.05


def test_water_tells_a_glow_from_lit_country() -> None:
    """Streets around a lone town fall off from it as a glow does: on land alone the two look the same."""
    generator = np.random.default_rng(4)
    rows, columns = np.mgrid[: WINDOW.fine_shape[0], : WINDOW.fine_shape[1]] / FINE_PER_VIIRS
    distance = np.hypot(rows - 55, columns - 56)
    light = np.full(WINDOW.fine_shape, 0.02)
    light[distance < 5] = generator.gamma(0.4, 100, int((distance < 5).sum()))
    # Light of the open country itself, in all directions: 1 nW/cm2/sr at the town, a tenth 9 km off.
    light += 0.9 * np.exp(-distance / 9)
    seen = ObservationOperator(WINDOW, PointSpread()).forward(light)
    seen += 0.02 * generator.normal(size=seen.shape)
    on_land = estimate_glow([seen], [WINDOW])
    assert on_land.ground == "dark ground" and on_land.supported and on_land.share > 0.05
    shore = np.zeros(WINDOW.shape, bool)
    shore[:, :50] = True
    for share in (0.0, 0.2):
        wet = light.copy()
        wet[:, : 50 * FINE_PER_VIIRS] = 0
        seen = ObservationOperator(WINDOW, PointSpread(742.0, share, 6_000.0)).forward(wet)
        seen += 0.02 * generator.normal(size=seen.shape)
        found = estimate_glow([seen], [WINDOW], dark=[shore])
        assert found.supported == (share > 0), (share, found)
        if share:
            assert found.share_lower <= share <= found.share_upper


def test_no_dark_ground_and_no_light_are_said() -> None:
    for level in (0.0, 5.0, np.nan):
        found = estimate_glow([np.full((60, 60), level)], [Window(44_000, 17_500, 60, 60)])
        assert not found.supported and "too little dark ground" in found.reason
    gaps = coast(1, PointSpread(742.0, 0.2, 6_000.0))
    gaps[20:40, 30:60] = np.nan
    found = estimate_glow([gaps], [WINDOW])
    assert found.supported and found.share == pytest.approx(0.2, rel=0.4)


class _Coast(AnalyticSource):
    """The coast as imagery: water reflects more green than infrared, land does not."""

    def __init__(self, spread: PointSpread) -> None:
        super().__init__(bands=(LANDSAT_BANDS[2], LANDSAT_BANDS[5]), truth=False)
        self._seen = coast(2, spread).astype(np.float32)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        image = np.full((2, *window.fine_shape), 0.2, np.float32)
        sea = max(0, min(WINDOW.column + 50 - window.column, window.width)) * FINE_PER_VIIRS
        image[0], image[1, :, :sea] = 0.1, 0.01
        return image

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        return self._seen[window.slices_in(WINDOW)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.chdir(tmp_path)
    place = Workspace.open(tmp_path / "workspace")
    for name, share in (("glowing", 0.15), ("plain", 0.0)):
        request = ExportRequest(dataset=name, regions="coast")
        source = _Coast(PointSpread(742.0, share, 6_000.0))
        export_dataset(place, request, source, [region("coast", WINDOW)], NoProgress())
    return place


def test_the_page_estimates_records_and_removes_the_glow(app: Any, workspace: Workspace) -> None:
    def press(label: str) -> None:
        next(button for button in page.button if button.label == label).click().run()

    def labels() -> set[str]:
        return {button.label for button in page.button if "glow" in button.label}

    def estimate(name: str) -> GlowEstimate:
        future = background().peek(glow_question(Dataset.open(workspace, name).manifest))
        assert future is not None
        result: GlowEstimate = future.result(timeout=120)
        return result

    page = app("imagery", workspace, dataset="glowing")
    assert labels() == {"Estimate the glow"}
    press("Estimate the glow")
    found = estimate("glowing")
    page.run()
    stated = next(each.value for each in page.markdown if "Fraction of light in the glow" in each.value)
    assert stated == glow_words(found) and "95 % intervals" in stated and " km (" in stated
    assert labels() == {"Record the glow", "Estimate the glow"}
    press("Record the glow")
    kept = Dataset.open(workspace, "glowing").manifest
    assert (kept.glow_share, kept.glow_fwhm_m) == (found.share, found.fwhm_m)
    assert any(f"Recorded: **{100 * found.share:.0f} %**" in each.value for each in page.markdown)
    assert labels() == {"Remove the glow", "Estimate the glow"}
    press("Remove the glow")
    assert Dataset.open(workspace, "glowing").manifest.glow_share == 0
    page = app("imagery", workspace, dataset="plain")
    press("Estimate the glow")
    assert not estimate("plain").supported
    page.run()
    stated = next(each.value for each in page.markdown if each.value.startswith("No glow. "))
    assert "at most" in stated and "% of the light" in stated
    assert labels() == {"Estimate the glow"}


def test_where_nothing_can_be_told_the_words_say_so_with_a_remedy(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    dark = estimate_glow([np.zeros((30, 40))], [Window(44_000, 18_000, 40, 30)])
    inland = estimate_glow([coast(2, PointSpread(), 3.0)], [WINDOW])
    for found in (dark, inland):
        assert not found.supported and not found.absent
        words = glow_words(found)
        assert words.startswith("Cannot tell whether there is a glow. ") and "Export regions" in words
    assert "too little dark ground" in glow_words(dark)
    assert f"It may have 0 to {100 * inland.share_upper:.0f} % of the light" in glow_words(inland)
    # What is recorded stays where an estimate tells nothing.
    place = workspace.dataset_folder("plain") / "dataset.json"
    manifest = read_record(place, DatasetManifest).model_copy(update={"glow_share": 0.1})
    write_record(place, manifest)
    path = Dataset.open(workspace, "plain").path(manifest.regions[0].nighttime)
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as raster:
        raster.write(np.zeros((1, *raster.shape), np.float32))
    assert main(["datasets", "glow", "plain", "--record"]) == 0
    assert "Cannot tell" in "".join(capsys.readouterr())
    assert Dataset.open(workspace, "plain").manifest.glow_share == 0.1


def test_the_planets_own_glow_is_exact_and_no_estimate_replaces_it(
    app: Any, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace.dataset_folder("glowing") / "dataset.json"
    glow = {"glow_share": 0.15, "glow_fwhm_m": 6_000.0}
    source = SourceRecord(kind="simulated", label="Planet", simulated=True, parameters=glow)
    changes = {"source": source, **glow}
    write_record(path, read_record(path, DatasetManifest).model_copy(update=changes))
    page = app("imagery", workspace, dataset="glowing")
    assert any("**15 %**" in each.value and "It is exact" in each.value for each in page.markdown)
    next(button for button in page.button if button.label == "Estimate the glow").click().run()
    future = background().peek(glow_question(Dataset.open(workspace, "glowing").manifest))
    assert future is not None and future.result(timeout=120).supported
    page.run()
    assert {button.label for button in page.button if "glow" in button.label} == {
        "Remove the glow",
        "Estimate the glow",
    }
    assert main(["datasets", "glow", "glowing", "--record"]) != 0
    assert "It is exact" in "".join(capsys.readouterr())
    assert PointSpread.of(Dataset.open(workspace, "glowing").manifest) == PointSpread(742.0, 0.15, 6_000.0)


def test_a_dataset_gives_its_glow_and_keeps_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Dataset.open(workspace, "glowing")
    assert main(["datasets", "glow", "glowing"]) == 0
    words = capsys.readouterr()
    assert "water" in words.out + words.err and "--record" in words.out + words.err
    assert Dataset.open(workspace, "glowing").sha256 == before.sha256
    assert main(["datasets", "glow", "glowing", "--record", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ground"] == "water" and found["supported"]
    assert found["share_lower"] <= 0.15 <= found["share_upper"]
    kept = Dataset.open(workspace, "glowing")
    assert PointSpread.of(kept.manifest) == PointSpread(742.0, found["share"], found["fwhm_m"])
    assert kept.sha256 != before.sha256
    assert main(["datasets", "glow", "glowing", "--remove"]) == 0
    assert Dataset.open(workspace, "glowing").sha256 == before.sha256
    assert main(["datasets", "glow", "plain", "--record"]) == 0
    assert "No glow" in "".join(capsys.readouterr())
    assert Dataset.open(workspace, "plain").manifest.glow_share == 0
    assert main(["datasets", "glow", "plain", "--record", "--remove"]) != 0


def test_dark_ground_serves_where_no_band_shows_water(workspace: Workspace) -> None:
    dataset = Dataset.open(workspace, "glowing")
    bands = [band.model_copy(update={"wavelength_um": None}) for band in dataset.manifest.bands]
    blind = Dataset(dataset.folder, dataset.manifest.model_copy(update={"bands": bands}))
    found = glow_of_dataset(blind)
    assert found.ground == "dark ground" and found.share_lower <= 0.15 <= found.share_upper


def test_a_planet_is_varied_on_request_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(tmp_path / "workspace"))
    place = Workspace.open(tmp_path / "workspace")
    window = Window(49_000, 18_000, 16, 16)
    save_collection(place, RegionCollection("r", (region("one", window),)))
    common = ["export", "--regions", "r", "--json"]
    assert main([*common, "--dataset", "plain"]) == 0
    capsys.readouterr()
    varied = ["--glow", "0.15", "--glow-fwhm-m", "6000", "--noise", "0.1", "--width-factor", "1.2"]
    assert main([*common, "--dataset", "hard", *varied]) == 0
    capsys.readouterr()
    plain, hard = (
        read_record(place.dataset_folder(n) / "dataset.json", DatasetManifest) for n in ("plain", "hard")
    )
    assert "glow_share" not in plain.source.parameters and set(plain.source.parameters) == {
        "planet_seed",
        "planet_version",
        "point_spread_fwhm_m",
    }
    assert hard.source.parameters["glow_share"] == 0.15 and hard.source.parameters["width_factor"] == 1.2
    assert hard.source.parameters["noise_share"] == 0.1
    assert hard.radiance_noise is not None and plain.radiance_noise is not None
    assert (hard.radiance_noise.share, plain.radiance_noise.share) == (0.1, 0.02)
    # What is assumed of the instrument is its data sheet.
    assert PointSpread.of(hard) == PointSpread(742.0, 0.15, 6_000.0)
    source = make_source(
        ExportRequest(
            dataset="d", regions="r", glow_share=0.15, glow_fwhm_m=6_000.0, width_factor=1.2, noise_share=0.0
        )
    )
    assert isinstance(source, SimulatedSource)
    wide = window.expand(40)
    truth = source.truth(wide)
    seen = ObservationOperator(wide, PointSpread(742.0 * 1.2, 0.15, 6_000.0)).forward(truth)
    noise = source.nighttime(window) - seen[window.slices_in(wide)]
    assert 0.06 < float(noise.std()) < 0.12
    exact = SimulatedSource(1, PointSpread(742.0, 0.15, 6_000.0), width_factor=1.2)
    share = exact.nighttime(window) - source.nighttime(window)
    assert float(np.abs(share).max()) > 0
    assert main([*common, "--dataset", "own", "--source", "rasters", "--noise", "0.1"]) != 0


def test_a_varied_planet_is_refused_of_other_sources() -> None:
    with pytest.raises(ValueError, match="source simulated"):
        ExportRequest(dataset="d", regions="r", source="rasters", noise_share=0.1)
    # A glow is VIIRS's own, whatever the source.
    assert ExportRequest(dataset="d", regions="r", source="rasters", glow_share=0.2).glow_share == 0.2


def test_requests_from_before_ask_for_the_same() -> None:
    old = ExportRequest(dataset="d", regions="r")
    source = SourceRecord(kind="simulated", label="Simulated planet", simulated=True)

    def digest(request: ExportRequest) -> str:
        return fingerprint(request, source, [], [])

    # That of a version whose requests had no such fields.
    content = {
        "schema": 1,
        "request": old.model_dump(
            mode="json", exclude={"overwrite", "nighttime_composite", "attribution", "truth", *LATER}
        ),
        "source": source.model_dump(mode="json", exclude={"attribution"}),
        "bands": [],
        "regions": [],
    }
    assert digest(old) == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    changes = {"glow_share": 0.1, "glow_fwhm_m": 5000.0, "noise_share": 0.1, "width_factor": 1.1}
    digests = {digest(old.model_copy(update={name: value})) for name, value in changes.items()}
    assert len(digests | {digest(old)}) == 5
