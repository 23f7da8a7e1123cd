"""The study's twenty runs on the simulated planet, with its loader's defect and without it."""
