"""Many votes → one label, with a probability."""
