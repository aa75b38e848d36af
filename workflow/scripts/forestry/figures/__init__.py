"""Drawing: what a figure shows (layout, no matplotlib), how it looks, how it is saved."""
