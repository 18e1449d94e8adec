"""What runtree adds to other libraries' algorithms: steps for those that iterate, and networks."""
