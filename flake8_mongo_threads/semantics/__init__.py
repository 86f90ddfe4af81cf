"""What the program at hand means: scopes, modules, kinds, calls, contexts and the facts that rules subscribe to."""
