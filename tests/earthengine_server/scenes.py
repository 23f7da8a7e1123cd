"""Where collections and assets are: scenes given by tests, uploaded images, and the simulated planet."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from .algorithms import ExpressionError
from .values import Collection, EarthImage


class SceneStore:
    """Collections by name, and uploaded images by the name of their asset."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}
        self._assets: dict[str, EarthImage] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_planet(cls, seed: int = 1) -> SceneStore:
        """All collections that the graphs use, cut from the simulated planet when they are looked at."""
        from .planet_scenes import planet_collections

        store = cls()
        for name, collection in planet_collections(seed).items():
            store.add_collection(name, collection)
        return store

    def add(self, name: str, scenes: Sequence[EarthImage]) -> None:
        """A collection of these images; it takes the place of one of the same name."""
        self.add_collection(name, Collection.of(scenes, images=True))

    def add_collection(self, name: str, collection: Collection) -> None:
        """A collection whose images are found when they are needed."""
        with self._lock:
            self._collections[name] = collection

    def has_collection(self, name: str) -> bool:
        """Whether there is a collection of that name."""
        return name in self._collections

    def collection(self, name: str) -> Collection:
        """The collection of that name.

        Raises
        ------
        ExpressionError
            When there is none.
        """
        if name not in self._collections:
            raise ExpressionError(
                f"ImageCollection.load: ImageCollection asset '{name}' not found "
                "(does not exist or caller does not have access)."
            )
        return self._collections[name]

    def image(self, name: str) -> EarthImage:
        """An uploaded image, or one of a collection: ``COLLECTION/INDEX``.

        Raises
        ------
        ExpressionError
            When there is none.
        """
        with self._lock:
            if name in self._assets:
                return self._assets[name]
        collection, _, index = name.rpartition("/")
        if collection in self._collections:
            for image in self._collections[collection].all():
                if image.get("system:index") == index:
                    found: EarthImage = image
                    return found
        raise ExpressionError(
            f"Image.load: Image asset '{name}' not found (does not exist or caller does not have access)."
        )

    def put_asset(self, name: str, image: EarthImage, properties: Mapping[str, Any] | None = None) -> None:
        """Keep an uploaded image with these properties beside its own."""
        merged = {**image.properties, **(properties or {}), "system:index": name.rpartition("/")[2]}
        with self._lock:
            self._assets[name] = image.with_properties(merged)

    def get_asset(self, name: str) -> EarthImage | None:
        """An uploaded image, or None."""
        with self._lock:
            return self._assets.get(name)

    def delete_asset(self, name: str) -> bool:
        """Forget an uploaded image; whether there was one."""
        with self._lock:
            return self._assets.pop(name, None) is not None
