"""What happened and what would have: trials of other rules on real traffic, conversion with its alarms."""
