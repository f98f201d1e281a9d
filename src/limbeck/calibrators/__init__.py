"""A few gold labels → better labels for all items: several ways, and the choice among them by cross-validation."""
