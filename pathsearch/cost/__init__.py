"""How fast this program is on the machine at hand, against what limits it."""
