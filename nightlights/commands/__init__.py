"""The commands of the shell, a file each; :mod:`nightlights.cli` imports one when it is called for."""
