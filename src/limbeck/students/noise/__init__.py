"""Learning from labels that are partly wrong: one strategy a file, for students of any kind."""
