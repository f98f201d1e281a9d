"""Where next-token scores come from."""
