"""``nightlights datasets import``: TFRecord files in the study's form to a dataset."""

from typing import TYPE_CHECKING, Annotated

import typer

from nightlights.commands.export import describe
from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    absolute_pattern,
    settings,
    settings_default,
    writable_workspace,
)
from nightlights.commands.output import print_json, print_table, say
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.errors import SettingsError

if TYPE_CHECKING:
    from nightlights.tfrecords.importing import ImportProposal


def import_files(
    files: Annotated[
        list[str],
        typer.Argument(
            help="TFRecord files and mixers: paths, folders, or quoted patterns 'data/*.tfrecord.gz'."
        ),
    ],
    dataset: Annotated[str, typer.Option(help="Name of the dataset to make.")],
    scaling: Annotated[
        str | None,
        typer.Option(
            help="study: temperature as 0 to 1, radiance divided by 60. physical: K and nW/cm²/sr. "
            "Default: told from the first record."
        ),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="How file names begin, and the role of their regions: BEGINNING=train, =evaluate or "
            "=predict; repeatable. Default: train=train, eval=evaluate."
        ),
    ] = None,
    other_role: Annotated[
        str | None, typer.Option(help="Role of files whose names begin otherwise. Default: they are refused.")
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(help="Bands to take, separated by commas. Default: the study's nine, or all."),
    ] = None,
    nighttime: Annotated[
        list[str] | None,
        typer.Option(help="VIIRS GeoTIFFs in nW/cm²/sr for images without radiance; repeatable."),
    ] = None,
    kernel_size: Annotated[
        str | None, typer.Option(help="kernelSize of the image export, X,Y. Default: told from the records.")
    ] = None,
    period_start: Annotated[str | None, typer.Option(help="First day of the imagery, a note.")] = None,
    period_end: Annotated[str | None, typer.Option(help="Last day of the imagery, a note.")] = None,
    fwhm_m: Annotated[
        float | None,
        typer.Option(
            "--fwhm-m",
            help=f"Full width at half maximum of the VIIRS footprint in metres. {settings_default('fwhm_m')}",
            min=0,
            max=10_000,
        ),
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The imagery was simulated, which files do not tell.")
    ] = False,
    look: Annotated[
        bool, typer.Option("--look", help="Only say what each file would become, from its first record.")
    ] = False,
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Import TFRecord files in the study's form: patches, and images with their mixer.json.

    Every file is read and checked before anything is written, and every file is imported.
    """
    from nightlights.manifests import ImportRequest
    from nightlights.tfrecords.importing import propose_import

    request = record_of(
        ImportRequest,
        dataset=dataset,
        files=[absolute_pattern(pattern) for pattern in files],
        scaling=scaling or "study",
        roles=_roles(role),
        other_role=other_role,
        bands=bands.split(",") if bands else None,
        nighttime_files=[absolute_pattern(pattern) for pattern in nighttime or []],
        kernel_size=kernel_size.split(",") if kernel_size else None,
        period_start=period_start,
        period_end=period_end,
        fwhm_m=settings(workspace).fwhm_m if fwhm_m is None else fwhm_m,
        simulated=simulated,
        overwrite=overwrite,
    )
    proposal = propose_import(request, guess_scaling=scaling is None)
    if look:
        _describe_proposal(proposal, json)
        return
    place = writable_workspace(workspace)
    title = f"Import {dataset}"
    if background:
        start_job(place, "import", proposal.request, json=json, title=title)
        return
    run_job(place, "import", proposal.request, title=title)
    from nightlights.datasets import Dataset

    manifest = Dataset.open(place, dataset).manifest
    if not json:
        for note in manifest.source.parameters.get("notes", []):
            say(note)
    describe(manifest, json)


def _roles(options: list[str] | None) -> dict[str, str]:
    roles = {"train": "train", "eval": "evaluate"}
    for option in options or []:
        beginning, sign, role = option.partition("=")
        if not (beginning and sign and role):
            raise SettingsError(
                f"--role {option!r} is not understood.", "Write for example --role city_=evaluate."
            )
        roles[beginning] = role
    return roles


def _describe_proposal(proposal: "ImportProposal", json: bool) -> None:
    rows = [
        {
            "region": region.name,
            "role": region.role,
            "files": len(region.files),
            "bytes": region.size,
            "form": "patches" if region.mixer is None else "image",
        }
        for region in proposal.regions
    ]
    if json:
        print_json(
            {
                "dataset": proposal.request.dataset,
                "scaling": proposal.request.scaling,
                "bands": list(proposal.bands),
                "bytes": proposal.size,
                "seconds": proposal.seconds,
                "regions": rows,
            }
        )
        return
    table = [
        [region.name, region.role, row["form"], len(region.files), f"{region.size / 1e6:,.1f}"]
        for region, row in zip(proposal.regions, rows, strict=True)
    ]
    print_table(f"Dataset {proposal.request.dataset}", ("region", "role", "form", "files", "MB"), table)
    say(
        f"Scaling: {proposal.request.scaling}. Bands: {', '.join(proposal.bands)}. "
        f"{proposal.size / 1e6:,.1f} MB, about {proposal.seconds:,.0f} s."
    )
