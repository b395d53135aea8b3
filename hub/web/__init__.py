"""What speaks HTTP: one inbound view for all push sources, the desk and admin pages, health."""
