"""Series of training runs: searches over settings.

``records`` (what a sweep is), ``variations`` (settings from words), ``trials`` (which settings each run
has), ``search`` (train and score them), ``estimate`` (how long).
"""
