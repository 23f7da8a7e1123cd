"""Google Earth Engine as an imagery source: composites, pixels, files, tasks and assets.

Nothing is imported here: the client takes a second, which pages should not wait for.
"""
