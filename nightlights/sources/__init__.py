"""Where imagery comes from: the simulated planet, the user's rasters, Earth Engine."""
