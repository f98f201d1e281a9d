"""A run folder → one self-contained page."""
