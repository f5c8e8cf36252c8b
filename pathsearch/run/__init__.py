"""From a configuration to a run in its folder."""
