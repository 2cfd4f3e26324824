"""Revisions, oldest first by name. One that was released never changes."""
