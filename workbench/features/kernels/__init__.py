"""Compiled loops over bare arrays. Importing a module of this room loads numba; callers import it where they use it."""
