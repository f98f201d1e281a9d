"""Named models, encoders and data sets: where from, checksum, licence; pull and verify."""
