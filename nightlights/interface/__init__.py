"""The shared parts of the pages.

How a page is written
---------------------
A page is one thin file in ``pages/``: widgets, one call into the workflow, one plot. Streamlit runs it from
top to bottom at every click, so it holds no state of its own::

    import streamlit as st

    from nightlights.errors import NightlightsError
    from nightlights.interface.state import page_header, show_error, workspace

    page_header("Imagery", "Export pairs of images for the regions.", source_simulated=True)
    try:
        ...
    except NightlightsError as error:
        show_error(error)

- :mod:`~nightlights.interface.state`: the workspace, settings, jobs, messages that survive a rerun
  (``flash``), errors, the header. Every page calls ``page_header`` first; it says SIMULATED where that holds.
- :mod:`~nightlights.interface.navigation`: the pages by key; ``page_link("train", "Train a network")``.
- :mod:`~nightlights.interface.map_view`: ``base_map(...)`` is a map that needs no network, geemap's
  where regions are drawn; ``show_map(map, key, ...)`` draws it. The base map must be the same at every run
  of the page; what moves (raster layers, swipe, legends, outlines, regions, the place to fly to) is given
  to ``show_map`` and reaches the living map without a remount.
- :mod:`~nightlights.interface.tiles`: ``tile_url(...)`` for the rasters of datasets and predictions.
- :mod:`~nightlights.interface.plots`: ``show_chart(figure, key)``, ``rmse_chart``, ``radiance_histogram``.
- :mod:`~nightlights.interface.jobs_view`: ``job_card(job_id)`` follows a background job.

Put the map first on the page and settings in one narrow column beside it: ``st.columns([3, 1])``. Import
geemap (through ``map_view``) only on pages that draw a map, TensorFlow and Keras on none.
"""
