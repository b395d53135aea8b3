"""Where leads and deals go: one folder per CRM."""
