"""``nightlights export``: imagery of regions to a dataset."""

from typing import TYPE_CHECKING, Annotated

import typer

from nightlights.commands.composite_options import (
    PERIOD_END_DEFAULT,
    PERIOD_START_DEFAULT,
    AnnualBandOption,
    ClearScoreOption,
    CloudFreeOption,
    DestinationOption,
    FormatOption,
    MasksOption,
    MethodOption,
    PatchesOption,
    PatchSizeOption,
    PercentileOption,
    ProductOption,
    ResamplingOption,
    SceneCloudOption,
    SensorOption,
    StatisticOption,
    earthengine_request,
)
from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    absolute_pattern,
    readable_workspace,
    settings,
    settings_default,
    writable_workspace,
)
from nightlights.commands.output import print_json, print_table
from nightlights.commands.truth_options import (
    TruthCalibrationOption,
    TruthNodataOption,
    TruthOption,
    TruthResolutionOption,
    TruthShiftOption,
    truth_request,
)
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.errors import SettingsError
from nightlights.wording import counted

if TYPE_CHECKING:
    from nightlights.manifests import DatasetManifest, ExportRequest
    from nightlights.regions import RegionCollection

app = typer.Typer(add_completion=False)


@app.command()
def export(
    regions: Annotated[str, typer.Option(help="Name of the regions in the workspace.")],
    dataset: Annotated[str, typer.Option(help="Name of the dataset to make.")],
    source: Annotated[
        str,
        typer.Option(
            help="simulated: the simulated planet. rasters: your own GeoTIFFs. earthengine: Earth Engine."
        ),
    ] = "simulated",
    planet_seed: Annotated[
        int | None,
        typer.Option(help=f"Simulated: seed of the planet. {settings_default('planet_seed')}", min=0),
    ] = None,
    daytime: Annotated[
        list[str] | None,
        typer.Option(help="Rasters: daytime GeoTIFFs, a path or a quoted pattern 'day/*.tif'; repeatable."),
    ] = None,
    nighttime: Annotated[
        list[str] | None,
        typer.Option(help="Rasters: VIIRS GeoTIFFs in nW/cm²/sr, a path or a quoted pattern; repeatable."),
    ] = None,
    daytime_nodata: Annotated[
        float | None, typer.Option(help="Rasters: daytime value that means missing, besides the tagged one.")
    ] = None,
    nighttime_nodata: Annotated[
        float | None, typer.Option(help="Rasters: VIIRS value that means missing, besides the tagged one.")
    ] = None,
    ignore_nodata_tag: Annotated[
        bool, typer.Option("--ignore-nodata-tag", help="Rasters: values tagged as nodata are valid.")
    ] = False,
    nighttime_composite: Annotated[
        str,
        typer.Option(
            help="Rasters: mosaic, or median where the VIIRS files are months of the same place: offsets "
            "removed, fires left out, noise measured."
        ),
    ] = "mosaic",
    attribution: Annotated[
        list[str] | None,
        typer.Option(help="Source and licence of the imagery, kept in the dataset's record; repeatable."),
    ] = None,
    truth: TruthOption = None,
    truth_nodata: TruthNodataOption = None,
    truth_calibration: TruthCalibrationOption = None,
    truth_maximum_shift_m: TruthShiftOption = None,
    truth_resolution_m: TruthResolutionOption = None,
    bands: Annotated[
        str | None, typer.Option(help="Daytime bands, separated by commas. Default: all of the source.")
    ] = None,
    period_start: Annotated[
        str | None,
        typer.Option(help=f"First day of the imagery, YYYY-MM-DD. {PERIOD_START_DEFAULT}; else a note."),
    ] = None,
    period_end: Annotated[
        str | None,
        typer.Option(help=f"Last day of the imagery, YYYY-MM-DD. {PERIOD_END_DEFAULT}; else a note."),
    ] = None,
    fwhm_m: Annotated[
        float | None,
        typer.Option(
            "--fwhm-m",
            help=f"Full width at half maximum of the VIIRS footprint in metres. {settings_default('fwhm_m')}",
            min=0,
            max=10_000,
        ),
    ] = None,
    glow: Annotated[
        float,
        typer.Option(
            help="Fraction of the light in the glow of VIIRS; a simulated planet gets it. "
            "See: nightlights datasets glow --help",
            min=0,
            max=0.5,
        ),
    ] = 0.0,
    glow_fwhm_m: Annotated[
        float,
        typer.Option(
            "--glow-fwhm-m",
            help="Full width at half maximum of the glow in metres.",
            min=2_000,
            max=15_000,
        ),
    ] = 8_000.0,
    noise: Annotated[
        float, typer.Option(help="Simulated: noise of VIIRS as a fraction of the light.", min=0, max=1)
    ] = 0.02,
    width_factor: Annotated[
        float,
        typer.Option(
            help="Simulated: true width of the VIIRS footprint over --fwhm-m, which is what is assumed.",
            min=0.8,
            max=1.2,
        ),
    ] = 1.0,
    sensor: SensorOption = None,
    statistic: StatisticOption = None,
    percentile: PercentileOption = None,
    resampling: ResamplingOption = None,
    masks: MasksOption = None,
    maximum_scene_cloud: SceneCloudOption = None,
    minimum_clear_score: ClearScoreOption = None,
    product: ProductOption = None,
    minimum_cloud_free: CloudFreeOption = None,
    annual_band: AnnualBandOption = None,
    method: MethodOption = None,
    destination: DestinationOption = None,
    file_format: FormatOption = None,
    patches_per_region: PatchesOption = None,
    patch_size: PatchSizeOption = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what it will take: MB, seconds, patches.")
    ] = False,
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Export imagery of regions as a dataset. An export that was interrupted goes on where it stopped."""
    from nightlights.manifests import ExportRequest
    from nightlights.region_checks import check_regions, raise_first_error
    from nightlights.region_files import load_collection

    found = settings(workspace)
    if source == "simulated" and (daytime or nighttime):
        raise SettingsError("--daytime and --nighttime are for your own rasters.", "Add --source rasters.")
    if source != "simulated" and (noise, width_factor) != (0.02, 1.0):
        raise SettingsError("--noise and --width-factor are for the simulated planet.", "Leave them out.")
    if source == "rasters" and not (daytime and nighttime):
        raise SettingsError(
            "The rasters source needs daytime and VIIRS files.", "Give --daytime and --nighttime."
        )
    earthengine = earthengine_request(
        source,
        start=period_start,
        end=period_end,
        bands=bands,
        sensor=sensor,
        statistic=statistic,
        percentile=percentile,
        resampling=resampling,
        masks=masks,
        maximum_scene_cloud=maximum_scene_cloud,
        minimum_clear_score=minimum_clear_score,
        product=product,
        minimum_cloud_free=minimum_cloud_free,
        annual_band=annual_band,
        method=method,
        destination=destination,
        file_format=file_format,
        patches_per_region=patches_per_region,
        patch_size=patch_size,
    )
    if earthengine is not None:
        period_start, period_end = (
            day.isoformat() for day in (earthengine.daytime.start, earthengine.daytime.end)
        )
    request = record_of(
        ExportRequest,
        dataset=dataset,
        regions=regions,
        source=source,
        planet_seed=found.planet_seed if planet_seed is None else planet_seed,
        daytime_files=[absolute_pattern(pattern) for pattern in daytime or []],
        nighttime_files=[absolute_pattern(pattern) for pattern in nighttime or []],
        daytime_nodata=daytime_nodata,
        nighttime_nodata=nighttime_nodata,
        ignore_nodata_tag=ignore_nodata_tag,
        nighttime_composite=nighttime_composite,
        attribution=attribution or [],
        earthengine=earthengine,
        truth=truth_request(
            source,
            truth,
            nodata=truth_nodata,
            calibration=truth_calibration,
            maximum_shift_m=truth_maximum_shift_m,
            resolution_m=truth_resolution_m,
        ),
        bands=None if bands is None else [band.strip() for band in bands.split(",")],
        period_start=period_start,
        period_end=period_end,
        fwhm_m=found.fwhm_m if fwhm_m is None else fwhm_m,
        glow_share=glow,
        glow_fwhm_m=glow_fwhm_m,
        noise_share=noise,
        width_factor=width_factor,
        overwrite=overwrite,
    )
    collection = load_collection(readable_workspace(workspace), regions)
    raise_first_error(check_regions(collection.regions, found))
    if estimate:
        _estimate(request, collection, found.patch_size, json)
        return
    place = writable_workspace(workspace)
    title = f"Export {dataset}"
    if background:
        start_job(place, "export", request, json=json, title=title)
        return
    run_job(place, "export", request, title=title)

    from nightlights.datasets import Dataset

    describe(Dataset.open(place, dataset).manifest, json)


def _estimate(request: "ExportRequest", collection: "RegionCollection", patch_size: int, json: bool) -> None:
    from nightlights.datasets import estimate_export
    from nightlights.pipeline import make_source

    found = estimate_export(make_source(request), collection.regions, patch_size)
    if json:
        print_json(
            {"stored_bytes": found.stored_bytes, "seconds": round(found.seconds, 1), "patches": found.patches}
        )
    else:
        patches = sum(found.patches.values())
        typer.echo(
            f"{counted(len(collection), 'region')}: about {found.stored_bytes / 1e6:,.0f} MB on disk, "
            f"{found.seconds:,.0f} s, {counted(patches, 'patch')} of {patch_size} pixels."
        )
    for note in found.notes:
        typer.echo(note, err=True)


def describe(manifest: "DatasetManifest", json: bool) -> None:
    """Show what a dataset holds, as a table or as JSON."""
    if json:
        print_json(manifest.model_dump(mode="json"))
        return
    rows = (
        (
            region.name,
            region.role,
            f"{region.window.height * 16} x {region.window.width * 16}",
            f"{region.radiance.mean:.2f}",
            f"{100 * region.radiance.lit_share:.0f}",
            f"{100 * region.missing_share:.0f}",
        )
        for region in manifest.regions
    )
    print_table(
        f"Dataset {manifest.name}: {manifest.source.label}, {counted(len(manifest.bands), 'band')}",
        ("region", "role", "pixels", f"mean {manifest.radiance_unit}", "lit %", "missing %"),
        rows,
        "Simulated imagery." if manifest.source.simulated else "\n".join(manifest.source.attribution),
    )
    for region in manifest.regions:
        for sentence in region.truth_sentences:
            typer.echo(f"{region.name}: {sentence}")
