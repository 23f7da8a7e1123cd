"""The networks that predict night-time radiance from daytime bands, in pure Keras 3."""

from nightlights.networks.registry import NETWORKS, NETWORKS_VERSION, NetworkInfo, build, network_info

__all__ = ["NETWORKS", "NETWORKS_VERSION", "NetworkInfo", "build", "network_info"]
