"""Cloud Storage: the bucket that batch exports and publishing go through."""

from nightlights.storage.client import open_bucket
from nightlights.storage.store import BucketStore, StoredFile

__all__ = ["BucketStore", "StoredFile", "open_bucket"]
