"""Every connector keeps the contract."""
