"""Who wrote: people normalised once on arrival, and the keys by which they are found again."""
