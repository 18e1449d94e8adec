"""The built-in data sources. Nothing imports them: a config names them."""
