"""The local pages of a study's raters. Knows nothing of statistics, models or runs."""
