"""Leads and deals: what opens one, what moves it, what closes it."""
