"""Word errors of all kinds of targets; see README.md."""
