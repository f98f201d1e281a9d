"""The stories, one file per verb of the command line."""
