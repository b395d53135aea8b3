"""The edge of the hub: one folder per outside system and the contracts they keep."""
