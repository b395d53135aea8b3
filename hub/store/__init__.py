"""Where rows live: engines and transactions, the durable inbox, secrets at rest, migrations."""
