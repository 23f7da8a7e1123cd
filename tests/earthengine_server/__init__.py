"""A local Earth Engine server: real HTTP, strict, evaluating over small scenes of the simulated planet."""
