"""What everyone may know: errors, types, protocols and hooks. Imports nothing of runtree's but itself."""
