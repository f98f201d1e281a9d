"""Which items to ask next."""
