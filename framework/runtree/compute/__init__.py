"""Where and with what a run works. Nothing imports these rooms: a config names them."""
