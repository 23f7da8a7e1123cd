"""A dataset's glow is known to what is trained on it: the loss, the score and the model's configuration."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset

from nightlights.bands import Scaling
from nightlights.datasets import Dataset, PatchSampler
from nightlights.manifests import ModelConfig, TrainingRequest, TrainingSettings, read_record, write_record
from nightlights.metrics import ScoreSums
from nightlights.networks import NETWORKS
from nightlights.observation import PointSpread, observe
from nightlights.progress import NoProgress
from nightlights.training import train
from nightlights.training.batches import BatchMaker
from nightlights.training.footprints import PatchFootprints

GLOW = PointSpread(742.0, 0.3, 2_000.0)
SETTINGS = TrainingSettings(
    network="tiny",
    epochs=1,
    patches_per_region=2,
    patch_size=64,
    batch_size=4,
    evaluation_patches=2,
    rotate=False,
    mirror=False,
)


@pytest.fixture(autouse=True)
def tiny_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        yield


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    plain = learnable_dataset(tmp_path)
    glowing = plain.manifest.model_copy(
        update={"glow_share": GLOW.glow_share, "glow_fwhm_m": GLOW.glow_fwhm_m}
    )
    write_record(plain.folder / "dataset.json", glowing)
    return replace(plain, manifest=glowing)


@pytest.mark.parametrize("point_spread", ["fixed", "learned"])
def test_a_network_is_scored_through_the_glow(dataset: Dataset, point_spread: str) -> None:
    from nightlights.networks import build
    from nightlights.networks.guided import Assembled
    from nightlights.training.steps import Trainer

    settings = SETTINGS.model_copy(update={"point_spread": point_spread})
    patches = PatchSampler(dataset, ["north"], 64, 1, 0.2, dataset.folder / ".cache").fixed(2, 1)
    footprints = PatchFootprints(PointSpread.of(dataset.manifest), 64)
    scaling = Scaling.study(dataset.manifest.bands)
    arrays = BatchMaker(scaling, TINY_NETWORK.transform, footprints, settings).for_scoring(patches)
    arrays["inputs"] = 50 * arrays["inputs"]  # so that fresh weights make uneven light
    model = build("tiny", 2, 1)
    found = Trainer(Assembled.plain(model), TINY_NETWORK, settings, footprints).score([arrays])
    light = TINY_NETWORK.transform.inverse(np.asarray(model(arrays["inputs"], training=False))[..., 0])
    rmse = {}
    for spread in (GLOW, GLOW.core):
        sums = ScoreSums()
        for window, fine, measured in zip(patches.windows, light, patches.nighttime, strict=True):
            seen = observe(np.asarray(fine, np.float64), window, spread)[1:-1, 1:-1]
            sums = sums.add(seen.astype(np.float32), measured[1:-1, 1:-1])
        rmse[spread] = sums.rmse
    assert found.pixels == 2 * 4
    assert found.rmse == pytest.approx(rmse[GLOW], rel=2e-5)
    assert found.rmse != pytest.approx(rmse[GLOW.core], rel=1e-4)


def test_a_model_keeps_the_glow_that_it_was_trained_with(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(dataset, TrainingRequest(run="one", dataset="sample", settings=SETTINGS), folder, NoProgress())
    config = read_record(folder / "config.json", ModelConfig)
    assert PointSpread.of(config) == GLOW
    # On another dataset the core is the model's, the glow that of the place.
    plain = dataset.manifest.model_copy(update={"glow_share": 0.0})
    assert PointSpread.of(config, plain).core == GLOW.core
    assert PointSpread.of(config, plain).glow_share == 0
