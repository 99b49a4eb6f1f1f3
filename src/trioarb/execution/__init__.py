"""Two legs as one transaction: hedged, flat, or a named residual."""
