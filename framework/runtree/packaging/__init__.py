"""Models in forms that need no runtree, and the load that a service bears."""
