"""Many minima and the paths between them."""
