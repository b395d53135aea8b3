"""Who gets a lead: rules choose the direction and the pool, strict rotation chooses the person."""
