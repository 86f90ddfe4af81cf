"""The claims behind the rules, run against the real driver and a small MongoDB server on the loopback interface."""
