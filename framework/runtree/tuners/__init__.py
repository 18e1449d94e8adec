"""The built-in tuners. No other package imports them: a config names them in `_target_`."""
