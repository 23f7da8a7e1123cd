"""Earth at Night in HD: night-time radiance at 30 m from daytime imagery.

Importing the package is cheap: nothing heavy is imported until it is used.
"""

__version__ = "0.1.0"
