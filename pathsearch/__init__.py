"""Low-loss paths between trained networks."""
