"""Default values in the help of commands, taken from the records and networks that define them."""

from typing import Any, Final

from nightlights.networks.registry import NETWORKS, NetworkInfo
from nightlights.training_settings import FEW_REGIONS, LIMIT_OF_FEW, LIMIT_OF_MANY, SHARE_OF_FEW

DEFAULT_NETWORK: Final = next(iter(NETWORKS))
"""The network that is trained unless another is named."""
_UNSET: Final = {
    "train_regions": "all of role train",
    "evaluate_regions": "all of role evaluate",
    "gradient_norm": "0",
    "residual_limit": f"{LIMIT_OF_FEW:g}, from {FEW_REGIONS} training regions {LIMIT_OF_MANY:g}",
    "residual_share": f"{SHARE_OF_FEW:g}, from {FEW_REGIONS} training regions chosen in those left out",
    "early_stopping": "never",
}
"""What a setting without a value means."""


def in_words(value: Any) -> str:
    """A value as it is typed on the command line: ``0.003``, ``on``, ``footprint-squared-error``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).replace(" ", "-")


def effective_setting(info: NetworkInfo, field: str) -> str:
    """The value of a training setting for a network, in words, where the command line gives none."""
    value = getattr(info.settings, field)
    if value is None and field in {"schedule", "gradient_norm"}:
        value = getattr(info, field)
    return _UNSET[field] if value is None else in_words(value)


def default_setting(field: str) -> str:
    """The default of a training setting: ``Default: 10; 20 for unet-medium; 30 for unet, segformer.``

    That of :data:`DEFAULT_NETWORK` stands first; networks that share it are not named.
    """
    groups: dict[str, list[str]] = {}
    for name, info in NETWORKS.items():
        groups.setdefault(effective_setting(info, field), []).append(name)
    usual, *others = groups
    texts = [usual, *(f"{value} for {', '.join(groups[value])}" for value in others)]
    return f"Default: {'; '.join(texts)}."
