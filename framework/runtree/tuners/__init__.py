"""The tuners. Nothing imports them: a config names them."""
