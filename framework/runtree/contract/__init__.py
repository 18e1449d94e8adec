"""Types shared by all rooms and by plugins: errors, records, protocols, hooks. Imports no other room of runtree."""
