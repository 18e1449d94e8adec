"""The built-in data sources. No other package imports them: a config names them in `_target_`."""
