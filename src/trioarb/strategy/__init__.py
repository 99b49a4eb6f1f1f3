"""From prices to an opportunity: edge, and size."""
