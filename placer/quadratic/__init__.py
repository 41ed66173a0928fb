"""The quadratic core: vnodes to pnodes as plain arrays, searched and proven without a solver."""
