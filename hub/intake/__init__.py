"""From a raw message to a lead: accept it durably, understand it, decide what it is."""
