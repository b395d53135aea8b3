"""Where inquiries come from: one folder per channel."""
