"""What runs code elsewhere: tables of spawners, frameworks and job queues. Data, no logic beyond look-up."""
