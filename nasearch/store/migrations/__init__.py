"""Alembic's folder: `env.py` runs the ordered revisions in `versions/` on a connection it is given."""
