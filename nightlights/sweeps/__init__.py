"""Series of training runs: searches over settings, and the study's table run again.

``records`` (what a sweep is), ``variations`` (settings from words), ``trials`` (which settings each run
has), ``search`` (train and score them), ``estimate`` (how long), ``study_table`` and ``study``.
"""
