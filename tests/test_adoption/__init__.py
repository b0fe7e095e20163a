"""Five services that nobody here wrote for the layer, before and after they adopt it."""
