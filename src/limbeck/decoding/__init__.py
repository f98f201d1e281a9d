"""How one answer is drawn from next-token scores."""
