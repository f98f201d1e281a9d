"""The small models that learn from labels and that the user keeps."""
